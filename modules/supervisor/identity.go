// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"hids/modules"
	"hids/platform/logging"
	"hids/platform/privdrop"
)

// identity is what a module's process will be on this system.
type identity struct {
	plan privdrop.Plan
	caps []string // of the plan; nil without a limit
}

// identities works out who every module runs as. What the module wants and
// this system or this user can't give is said once.
func (s *supervisor) identities() (map[string]identity, error) {
	ids := map[string]identity{}
	for _, m := range s.o.Modules {
		id, err := s.identify(m)
		if err != nil {
			return nil, err
		}
		ids[m.Name] = id
	}
	return ids, nil
}

// note logs what is no fault, and so nothing that a check should tell.
func (s *supervisor) note(level slog.Level, msg string, args ...any) {
	if !s.checking {
		s.o.Log.Log(context.Background(), level, msg, args...)
	}
}

func (s *supervisor) identify(m modules.Module) (identity, error) {
	p := m.Privileges
	id := identity{plan: privdrop.Plan{UID: -1, GID: -1, Limit: !p.Root}}
	if s.o.Group != "" {
		p.Group = s.o.Group
	}
	if os.Geteuid() > 0 {
		s.note(slog.LevelInfo, "not started by root: the module does what this user may", "module", m.Name)
	} else if err := s.lookUp(&id.plan, m.Name, p); err != nil {
		return id, err
	}
	caps, err := privdrop.ParseCaps(p.Caps)
	if err != nil {
		return id, fmt.Errorf("module %s: %w", m.Name, err)
	}
	held, missing := privdrop.Held(caps)
	if len(missing) > 0 && os.Geteuid() == 0 {
		s.note(slog.LevelWarn, "this root lacks capabilities that the module needs; it will see less", "module", m.Name, "missing", fmt.Sprint(missing))
	}
	if id.plan.Limit {
		id.plan.Caps = held
		for _, c := range held {
			id.caps = append(id.caps, c.String())
		}
	}
	return id, nil
}

// lookUp turns names into ids. A module whose user does not exist keeps the
// caller's; under OSSEC's names a missing group is an error, as in OSSEC.
func (s *supervisor) lookUp(plan *privdrop.Plan, module string, p modules.Privileges) error {
	if p.Group != "" {
		gid, err := privdrop.GroupID(p.Group)
		unknown, ok := errors.AsType[*privdrop.UnknownError](err)
		switch {
		case err == nil:
			plan.GID = gid
		case !ok:
			return err
		case s.o.OSSEC || s.o.Group != "":
			s.o.Log.Error(fmt.Sprintf("Invalid user '' or group '%s' given.", p.Group), logging.ID(1203))
			return unknown
		default:
			s.note(slog.LevelWarn, "the module's group does not exist; it keeps the caller's", "module", module, "group", p.Group)
		}
	}
	if p.Root || p.User == "" {
		return nil
	}
	uid, err := privdrop.UserID(p.User)
	if _, ok := errors.AsType[*privdrop.UnknownError](err); ok {
		s.note(slog.LevelWarn, "the module's user does not exist; it keeps the caller's with few capabilities", "module", module, "user", p.User)
		return nil
	}
	plan.UID = uid
	return err
}

// describe fills in who the module runs as.
func (id identity) describe(m *ModuleStatus) {
	uid, gid := id.plan.UID, id.plan.GID
	if uid < 0 {
		uid = os.Geteuid()
	}
	if gid < 0 {
		gid = os.Getegid()
	}
	m.User, m.Group = strconv.Itoa(uid), strconv.Itoa(gid)
	if u, err := user.LookupId(m.User); err == nil {
		m.User = u.Username
	}
	if g, err := user.LookupGroupId(m.Group); err == nil {
		m.Group = g.Name
	}
	m.Capabilities = append([]string{}, id.caps...)
	if !id.plan.Limit && uid == 0 {
		m.Capabilities = []string{"all"}
	}
}

// groupOf returns the group that the modules share, -1 when they have none.
func groupOf(ids map[string]identity) int {
	for _, id := range ids {
		if id.plan.GID >= 0 {
			return id.plan.GID
		}
	}
	return -1
}
