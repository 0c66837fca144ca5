// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// excessive is how many hidden ports of a protocol are named, as in OSSEC.
const excessive = 20

// Checks lists the checks of this package in the order in which they run.
func Checks() []check.Check {
	ptrace := check.Need{Cap: "CAP_SYS_PTRACE", Why: "see which process holds a socket"}
	return []check.Check{
		{
			Name: "ports", Switch: "ports", Group: check.Network, Live: true,
			Title: "ports that are in use and that nothing lists",
			Needs: []check.Need{{Cap: "CAP_NET_BIND_SERVICE", Why: "try to bind ports below 1024"}},
			Run:   hiddenPorts,
		}, {
			Name: "sockets", Switch: "ports", Group: check.Network, Live: true,
			Title: "sockets that /proc/net shows and sock_diag does not, or the other way round",
			Run:   hiddenSockets,
		}, {
			Name: "sniffers", Group: check.Network, Live: true,
			Title: "programs that listen to packets below TCP and UDP",
			Needs: []check.Need{ptrace, {Cap: "CAP_NET_ADMIN", Why: "see the filters of packet sockets"}},
			Run:   sniffers,
		}, {
			Name: "if", Switch: "if", Group: check.Network, Live: true,
			Title: "interfaces that take in everybody's packets",
			Run:   promiscuity,
		}, {
			Name: "listeners", Group: check.Network, Live: true,
			Title: "programs that began to listen on a port",
			Needs: []check.Need{ptrace}, Run: listeners,
		},
	}
}

// holder is a process that has a socket open.
type holder struct {
	pid int
	exe string
}

// holders maps the inode of every socket to those that have it, one for each
// program: what a program shares with another is the other's too.
func holders(ctx context.Context, h paths.Host) (map[uint32][]holder, proc.Unseen, error) {
	held := make(map[uint32][]holder)
	var last holder
	unseen, err := proc.FDs(ctx, h, []string{"socket:["}, func(fd proc.FD) {
		text := strings.TrimSuffix(strings.TrimPrefix(fd.Target, "socket:["), "]")
		inode, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return
		}
		if fd.PID != last.pid {
			exe, _ := proc.Exe(h, fd.PID)
			last = holder{fd.PID, exe}
		}
		who := slices.DeleteFunc(held[uint32(inode)], func(o holder) bool { return o.exe == last.exe })
		held[uint32(inode)] = append(who, last)
	})
	return held, unseen, err
}

// youngest is the one with the highest pid of those that have a socket: a service
// manager that opened it for a service comes before it.
func youngest(list []holder) holder {
	if len(list) == 0 {
		return holder{}
	}
	return list[len(list)-1]
}
