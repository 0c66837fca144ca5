// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"hids/platform/netstat"
	"hids/platform/paths"
	"hids/platform/proc"
)

// reader is a process that has a socket.
type reader struct {
	pid  int
	name string
}

func (r reader) String() string { return fmt.Sprintf("%s (process %d)", r.name, r.pid) }

// binding is one socket bound to a path. More than one means that another took
// the name away: only the last is reached.
type binding struct {
	readers []reader
	unseen  error // why it may be that nobody was found who has it
}

// bindings finds the sockets that are bound to path, and who has them.
func bindings(ctx context.Context, h paths.Host, home, path string) ([]binding, error) {
	all, err := netstat.ProcUnix(h)
	if err != nil {
		return nil, err
	}
	inodes := map[string]int{}
	var found []binding
	for _, s := range all {
		// agentd binds in its chroot, and the kernel keeps the name as it was said.
		if s.Path == path || home+s.Path == path {
			inodes["socket:["+strconv.FormatUint(s.Inode, 10)+"]"] = len(found)
			found = append(found, binding{})
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	unseen, err := proc.FDs(ctx, h, []string{"socket:["}, func(fd proc.FD) {
		if i, ok := inodes[fd.Target]; ok && !slices.ContainsFunc(found[i].readers, func(r reader) bool { return r.pid == fd.PID }) {
			name := "?"
			if st, err := proc.ReadStatus(h, fd.PID); err == nil {
				name = st.Name
			}
			found[i].readers = append(found[i].readers, reader{fd.PID, name})
		}
	})
	for i := range found {
		if len(found[i].readers) == 0 {
			found[i].unseen = unseen.Err()
		}
	}
	return found, err
}

// sockets looks for who reads execq and the queue.
func sockets(ctx context.Context, e *examination) []Finding {
	return append(e.execq(ctx), e.queueSocket(ctx)...)
}

// execq is where agentd sends requests to. It connects once: a socket that
// another has bound since is not the one that it sends to.
func (e *examination) execq(ctx context.Context) []Finding {
	path := e.Layout.ExecQueue()
	p := e.process("execd")
	there, bound, err := e.socket(ctx, path)
	if err != nil {
		return []Finding{unchecked(err)}
	}
	switch {
	case p == nil || p.State != stateRunning:
		return nil // the service says so
	case !there:
		return []Finding{problem(e.control("restart"), "%s is gone: no request of OSSEC's reaches execd", path)}
	case bound == nil:
		return nil // no procfs
	case len(bound) == 0:
		return []Finding{problem(e.control("restart"), "nobody listens on %s", path)}
	}
	var readers []reader
	for _, b := range bound {
		if b.unseen != nil {
			return []Finding{unchecked(fmt.Errorf("see who listens on %s: %w", path, b.unseen))}
		}
		readers = append(readers, e.strangers(b)...)
	}
	if len(readers) > 0 {
		return []Finding{problem(e.Layout.Join("bin", "ossec-control")+" stop; "+e.control("restart"), "%s listens on %s as well: requests reach one of the two", readers[0], path)}
	}
	return []Finding{good("execd listens on %s", path)}
}

// serviceManager keeps the descriptors of hids while it is started again.
const serviceManager = 1

// strangers are those who read a socket and are not hids. A service manager that
// keeps a socket of ours for the next start reads nothing of it.
func (e *examination) strangers(b binding) []reader {
	ours := slices.ContainsFunc(b.readers, func(r reader) bool { return e.isOurs(r.pid) })
	return slices.DeleteFunc(slices.Clone(b.readers), func(r reader) bool {
		return e.isOurs(r.pid) || ours && r.pid == serviceManager
	})
}

// queueSocket is where messages for OSSEC go.
func (e *examination) queueSocket(ctx context.Context) []Finding {
	path := e.Layout.Queue()
	there, bound, err := e.socket(ctx, path)
	if err != nil {
		return []Finding{unchecked(err)}
	}
	wanted := e.Config != nil && e.Config.Settings.Queue == "yes"
	fix := e.Layout.Join("bin", "ossec-control") + " start"
	switch {
	case !there && wanted:
		return []Finding{problem(fix, "%s is not there: events for OSSEC wait in the spool", path)}
	case !there, bound == nil, e.Config != nil && e.Config.Settings.Queue == "no":
		return nil
	case len(bound) == 0:
		return []Finding{problem(fix, "nobody reads %s: events for OSSEC wait in the spool", path)}
	case bound[len(bound)-1].unseen != nil:
		return []Finding{good("somebody reads %s", path)}
	}
	var names []string
	for _, b := range bound {
		for _, r := range b.readers {
			names = append(names, r.String())
		}
	}
	return []Finding{good("%s is read by %s", path, strings.Join(names, ", "))}
}

// socket says whether there is something at path, and the sockets bound to it:
// nil where the system does not tell.
func (e *examination) socket(ctx context.Context, path string) (there bool, bound []binding, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil, nil
	} else if err != nil {
		return false, nil, err
	}
	bound, err = bindings(ctx, e.Host, e.Layout.Home, path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil, nil
	}
	if bound == nil && err == nil {
		bound = []binding{}
	}
	return true, bound, err
}

// queues tells what waits for OSSEC, and what was lost.
func queues(_ context.Context, e *examination) []Finding {
	var found []Finding
	carried := false
	for _, p := range e.processes() {
		q := p.detail.Queue
		if q == nil {
			continue
		}
		carried = true
		size := int64(0)
		if e.Config != nil {
			size = e.Config.Settings.SpoolSize
		}
		fix := e.Layout.Join("bin", "ossec-control") + " status"
		switch {
		case size > 0 && q.Spool.Bytes > size/10*9:
			found = append(found, problem(fix, "the spool of %s is full: %d messages wait, %d of %d bytes", p.Name, q.Spool.Messages, q.Spool.Bytes, size))
		case size > 0 && q.Spool.Bytes > size/2:
			found = append(found, warning(fix, "the spool of %s fills: %d messages wait, %d of %d bytes", p.Name, q.Spool.Messages, q.Spool.Bytes, size))
		case q.Held:
			found = append(found, warning("tail "+quote(e.Layout.DaemonLog()), "agentd has no manager and asks %s to wait: %d messages", p.Name, q.Spool.Messages))
		}
		if q.Spool.Dropped > 0 {
			found = append(found, warning("raise <spool_size> in "+quote(e.Layout.HidsConf())+", then hids reload",
				"%s found no room in its spool for %d messages; the next scan tells them", p.Name, q.Spool.Dropped))
		}
		if q.Spool.Corrupt > 0 {
			found = append(found, warning("dmesg shows errors of the disk, if it has any", "%d files of the spool of %s were cut short", q.Spool.Corrupt, p.Name))
		}
	}
	if !carried {
		return nil
	}
	return orGood(found, "what goes to OSSEC finds room in the spools")
}
