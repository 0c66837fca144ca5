// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"hids/platform/firewall"
	"hids/platform/routes"
)

// Block is something execd counts as blocked now.
type Block struct {
	Program string    // base name of the program, as ar.conf has it: firewall-drop.sh
	IP      string    // as the request wrote it
	Until   time.Time // zero: no end
	Prefix  int       // length of the IPv6 network that is blocked with the address; 0 or 128: none
}

// Keeper makes the host agree with execd's account of what is blocked. Its
// methods may be called by several goroutines.
type Keeper struct{ env Env }

// NewKeeper returns a Keeper for a host.
func NewKeeper(env Env) *Keeper { return &Keeper{env} }

// BuiltIn says whether a program of ar.conf is one of our responses: it has the
// name of one, and is this very binary or not there, when execd runs this binary
// for it. An admin's own firewall-drop.sh is not,
// and what it blocks is not ours to put back.
func (k *Keeper) BuiltIn(program string) bool {
	if _, ok := find(program); !ok {
		return false
	}
	exe, err := os.Executable()
	if err != nil {
		return false
	}
	ours, err := os.Stat(exe)
	if err != nil {
		return false
	}
	file, err := os.Stat(filepath.Join(k.env.Layout.ResponseBin(), program))
	if errors.Is(err, fs.ErrNotExist) {
		return true // execd runs this binary for it
	}
	return err == nil && os.SameFile(ours, file)
}

// Keeps says whether a block is one that Reconcile puts back.
func (k *Keeper) Keeps(b Block) bool {
	_, _, ok := k.kept(b)
	return ok
}

// Reconcile puts back the blocks that a reboot or somebody's flush of the rules
// took away, and tells the packet filter the ends of those that were prolonged.
// It looks at blocks in the packet filter and in routes, of programs that are
// BuiltIn; others are left out, and nothing is ever unblocked. A block whose
// delete has been started must not be given. changed says that something was
// missing. Call it at start, after Watch tells of a loss, and after a block got
// a new end.
func (k *Keeper) Reconcile(ctx context.Context, blocks []Block) (changed bool, err error) {
	wants := make(map[string][]firewall.Want)
	var faults []error
	for _, b := range blocks {
		kind, addr, ok := k.kept(b)
		switch {
		case !ok:
		case kind.keep == keepRoute:
			faults = append(faults, routes.Blackhole(ctx, k.env.Run, addr))
		default:
			wants[kind.tool] = append(wants[kind.tool],
				firewall.Want{Addr: addr, Bits: b.Prefix, Until: b.Until})
		}
	}
	for tool, want := range wants {
		fw, err := k.env.firewall(ctx, tool)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c, err := fw.Ensure(ctx, want)
		changed = changed || c
		faults = append(faults, err)
	}
	return changed, errors.Join(faults...)
}

// kept returns what a block needs to be put back, unless it can't get lost.
func (k *Keeper) kept(b Block) (kind, netip.Addr, bool) {
	kind, ok := find(b.Program)
	if !ok || kind.keep == keepNothing || !k.BuiltIn(b.Program) {
		return kind, netip.Addr{}, false
	}
	addr, err := ParseAddr(b.IP)
	return kind, addr, err == nil
}

// Watch tells when somebody else takes our rules out of the packet filter: then
// call Reconcile. Where that can't be watched the error is
// errors.ErrUnsupported. The caller closes the Watcher.
func (k *Keeper) Watch(ctx context.Context) (*firewall.Watcher, error) { return firewall.Watch(ctx) }
