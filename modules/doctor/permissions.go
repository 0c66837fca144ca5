// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"hids/modules"
	"hids/platform/paths"
	"hids/platform/privdrop"
	"hids/platform/trust"
)

// place is a file or folder that hids uses, and what others may do there.
type place struct {
	path   string
	owners []string // besides root and the user who asks
	group  bool     // its group may write
	secret bool     // others may not read
	folder bool     // a folder, and no link to one
}

// places lists what an installation consists of. OSSEC's own users have some of
// it; what is not there is made when it is needed.
func places(l paths.Layout) []place {
	ossec := []string{"ossec", "ossecr", "ossecm", "wazuh"}
	all := []place{
		{path: l.Home, folder: true},
		{path: l.Join("etc"), owners: ossec, group: true, folder: true},
		{path: l.OssecConf(), owners: ossec, group: true, secret: true},
		{path: l.HidsConf(), secret: true},
		{path: l.InternalOptions(), owners: ossec},
		{path: l.LocalInternalOptions(), owners: ossec},
		{path: filepath.Dir(l.ARConf()), owners: ossec, group: true, folder: true},
		{path: l.ARConf(), owners: ossec, group: true},
		{path: l.AgentConf(), owners: ossec, group: true},
		{path: filepath.Dir(l.DaemonLog()), owners: ossec, group: true, folder: true},
		{path: l.DaemonLog(), owners: ossec, group: true},
		{path: l.ResponseLog(), owners: ossec, group: true},
		{path: filepath.Dir(l.EventLog()), folder: true, secret: true},
		{path: l.EventLog(), secret: true},
		{path: l.Join("queue"), folder: true},
		{path: filepath.Dir(l.ExecQueue()), owners: ossec, group: true, folder: true, secret: true},
		{path: l.ExecQueue(), owners: ossec, group: true, secret: true},
		{path: filepath.Dir(l.Queue()), owners: ossec, group: true, folder: true},
		{path: l.Queue(), owners: ossec, group: true},
		{path: l.Join("var"), folder: true},
		{path: l.RunDir(), owners: ossec, group: true, folder: true},
		{path: filepath.Dir(l.ControlSocket("supervisor")), folder: true, secret: true},
		{path: filepath.Dir(l.State("x")), folder: true},
		{path: filepath.Dir(l.ResponseBin()), folder: true},
		{path: l.ResponseBin(), folder: true},
	}
	for dir := filepath.Dir(l.Home); ; dir = filepath.Dir(dir) {
		all = append(all, place{path: dir})
		if dir == filepath.Dir(dir) {
			return all
		}
	}
}

// permissions holds every place against what others may do there. Who can
// write to a configuration, or replace a folder above it, is root.
func permissions(_ context.Context, e *examination) []Finding {
	list := places(e.Layout)
	for _, m := range e.Modules {
		list = append(list, place{path: e.Layout.ControlSocket(m.Name), group: true, secret: true})
	}
	var found []Finding
	n := 0
	for _, p := range list {
		f, err := p.examine()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			found = append(found, unchecked(err))
		default:
			n++
			found = append(found, f...)
		}
	}
	return orGood(found, "%d places belong to whom they should, and nobody else can write there", n)
}

func (p place) examine() ([]Finding, error) {
	fi, err := os.Lstat(p.path)
	if err != nil {
		return nil, err
	}
	path := p.path
	if fi.Mode().Type() == fs.ModeSymlink {
		if p.folder {
			return []Finding{problem("replace the link by a folder", "%s is a link", path)}, nil
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
		if fi, err = os.Stat(path); err != nil {
			return nil, err
		}
	}
	uid, gid, err := privdrop.Owner(path)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil // access lists say it there
	}
	if err != nil {
		return nil, err
	}
	return append(p.owner(path, uid), p.mode(path, fi.Mode(), gid)...), nil
}

func (p place) owner(path string, uid int) []Finding {
	if uid == 0 || uid == os.Geteuid() || slices.ContainsFunc(p.owners, func(name string) bool { return isUser(uid, name) }) {
		return nil
	}
	return []Finding{problem("chown root "+quote(path), "%s belongs to %s", path, userName(uid))}
}

func (p place) mode(path string, mode fs.FileMode, gid int) []Finding {
	perm := mode.Perm()
	switch {
	case mode&fs.ModeSticky != 0 && mode.IsDir():
		return nil // nobody can replace what belongs to another, as in /tmp
	case perm&0o002 != 0:
		return []Finding{problem("chmod o-w "+quote(path), "everybody can write to %s (mode %04o)", path, perm)}
	case perm&0o020 != 0 && !p.group && gid != 0 && gid != os.Getegid():
		return []Finding{problem("chmod g-w "+quote(path), "group %d can write to %s (mode %04o)", gid, path, perm)}
	case perm&0o004 != 0 && p.secret:
		return []Finding{warning("chmod o-r "+quote(path), "everybody can read %s (mode %04o)", path, perm)}
	}
	return nil
}

func isUser(uid int, name string) bool {
	id, err := privdrop.UserID(name)
	return err == nil && id == uid
}

// userName is a user for a message.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// responses holds that only root can change the programs that execd runs as
// root.
func responses(_ context.Context, e *examination) []Finding {
	dir := e.Layout.ResponseBin()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []Finding{unchecked(err)}
	}
	var found []Finding
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		fi, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, warning("rm "+quote(path), "%s is a link to nothing", path))
		case err != nil:
			found = append(found, unchecked(err))
		case trust.Executable(fi) != nil:
			found = append(found, problem("chown root "+quote(path)+" && chmod go-w "+quote(path),
				"%s is not run: %v", path, trust.Executable(fi)))
		}
	}
	return orGood(found, "the %d response programs can be changed by root alone", len(entries))
}

// moduleState holds that each module, and nobody else, can write its state.
func moduleState(_ context.Context, e *examination) []Finding {
	var found []Finding
	for _, m := range e.Modules {
		found = append(found, e.stateOf(m)...)
	}
	return orGood(found, "the state of the modules belongs to them")
}

func (e *examination) stateOf(m modules.Module) []Finding {
	dir := e.Layout.State(m.Name)
	want := os.Geteuid()
	if uid, err := e.UserID(m.Privileges.User); err == nil && root() && m.Privileges.User != "" {
		want = uid
	}
	tree, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return []Finding{unchecked(err)}
	}
	defer tree.Close()
	wrong, first, open := 0, "", ""
	err = fs.WalkDir(tree.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a daemon at work
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		if uid, _, err := privdrop.Owner(path); err == nil && uid != want {
			wrong, first = wrong+1, firstOf(first, path)
		}
		if fi, err := d.Info(); err == nil && fi.Mode().Perm()&0o002 != 0 && fi.Mode().Type() != fs.ModeSymlink {
			open = firstOf(open, path)
		}
		return nil
	})
	return stateFindings(m, dir, want, stateFaults{wrong, first, open, err})
}

// stateFaults is what is wrong below one state folder.
type stateFaults struct {
	wrong int    // files of another's
	first string // of them
	open  string // the first that everybody can write
	err   error
}

func stateFindings(m modules.Module, dir string, want int, s stateFaults) []Finding {
	var found []Finding
	if s.err != nil {
		found = append(found, unchecked(s.err))
	}
	if s.wrong > 0 {
		// The supervisor gives a module all that is in its folder when it starts.
		found = append(found, problem(fmt.Sprintf("chown -R %s %s", userName(want), quote(dir)),
			"%s can't write its state: %s and %d more do not belong to %s", m.Name, s.first, s.wrong-1, userName(want)))
	}
	if s.open != "" {
		found = append(found, problem("chmod -R o-w "+quote(dir), "everybody can write to %s", s.open))
	}
	return found
}

// firstOf keeps the first of several names.
func firstOf(first, next string) string {
	if first == "" {
		return next
	}
	return first
}
