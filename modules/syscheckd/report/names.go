// SPDX-License-Identifier: Apache-2.0

package report

import (
	"os/user"
	"strconv"
	"sync"
)

// Names looks up owners. Either may be nil or return "": not known.
type Names struct {
	User, Group func(id uint32) string
}

// SystemNames looks up the users and groups of this machine, each once: a
// lookup reads the whole of /etc/passwd. It may be used by many goroutines.
func SystemNames() Names {
	users := &cache{find: func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	}}
	groups := &cache{find: func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	}}
	return Names{User: users.name, Group: groups.name}
}

// maxNames bounds a cache: ids can be made up without end.
const maxNames = 10_000

type cache struct {
	find func(id string) (string, error)

	mu    sync.Mutex // guards known
	known map[uint32]string
}

// name answers "" for an id without a name, and remembers that too.
func (c *cache) name(id uint32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.known[id]; ok {
		return name
	}
	name, err := c.find(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = ""
	}
	if c.known == nil || len(c.known) >= maxNames {
		c.known = map[uint32]string{}
	}
	c.known[id] = name
	return name
}
