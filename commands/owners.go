// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"os/user"
	"strconv"

	"hids/modules/syscheckd/report"
)

// owners looks up names of users and groups, each once: a lookup reads the
// whole of /etc/passwd. It is for one goroutine.
type owners struct {
	users, groups map[uint32]string
}

func newOwners() *owners { return &owners{map[uint32]string{}, map[uint32]string{}} }

func (o *owners) names() report.Names { return report.Names{User: o.user, Group: o.group} }

func (o *owners) user(id uint32) string {
	return cached(o.users, id, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (o *owners) group(id uint32) string {
	return cached(o.groups, id, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// cached answers "" for an id without a name, and remembers that too.
func cached(known map[uint32]string, id uint32, find func(string) (string, error)) string {
	if name, ok := known[id]; ok {
		return name
	}
	name, err := find(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = ""
	}
	known[id] = name
	return name
}
