// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"os"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// UnixSocket is a unix socket that has a name in the file system.
type UnixSocket struct {
	Path  string // as it was bound: in a chroot, as seen from there
	Inode uint64 // of the socket, as in /proc/PID/fd; not of the file
}

// ProcUnix reads the named unix sockets of the host's network namespace.
func ProcUnix(h paths.Host) ([]UnixSocket, error) {
	b, err := os.ReadFile(h.ProcPath("net", "unix"))
	if err != nil {
		return nil, err
	}
	return ParseProcUnix(b), nil
}

// ParseProcUnix reads /proc/net/unix, proc_pid_net(5). Left out are sockets
// without a name, those with an abstract one, and those that accept(2) has made:
// they bear the name of the one that listens.
func ParseProcUnix(b []byte) []UnixSocket {
	const connected = "03" // of enum socket_state in linux/net.h
	var list []UnixSocket
	for line := range strings.Lines(string(b)) {
		// Num: RefCount Protocol Flags Type St Inode Path
		f := strings.SplitN(strings.Join(strings.Fields(line), " "), " ", 8)
		if len(f) < 8 || !strings.HasPrefix(f[7], "/") || f[5] == connected && f[4] == "0001" {
			continue
		}
		if inode, err := strconv.ParseUint(f[6], 10, 64); err == nil {
			list = append(list, UnixSocket{Path: f[7], Inode: inode})
		}
	}
	return list
}
