// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
	"hids/platform/proc"
)

// listenerMemory holds the listeners of the first run, by name. What came
// later is reported until somebody accepts it.
type listenerMemory struct{ Known map[string]bool }

// listener is who listens where. The port is 0 for one that the kernel chose:
// it is another one after each start.
type listener struct {
	proto string
	port  int
	who   holder
}

func (l listener) String() string {
	port := "any"
	if l.port != 0 {
		port = strconv.Itoa(l.port)
	}
	return l.proto + " " + port + " " + l.who.exe
}

// deleted is what the kernel puts behind the name of a program whose file is gone.
const deleted = " (deleted)"

func listeners(ctx context.Context, s *check.Scan) error {
	sockets, err := check.Stable(ctx, func() (map[uint32]netstat.Socket, error) { return openPorts(s.Host) })
	if err != nil {
		return err
	}
	held, unseen, err := holders(ctx, s.Host)
	if err != nil {
		return err
	}
	if err := unseen.Err(); err != nil {
		s.Fault("see which process holds a socket", err)
	}
	now := make(map[string]listener)
	for inode, socket := range sockets {
		l := listener{proto: socket.Proto, port: int(socket.Local.Port()), who: youngest(held[inode])}
		l.who.exe = strings.TrimSuffix(l.who.exe, deleted) // an upgrade makes no new service
		if l.chosen(s.Host) {
			if l.proto == "udp" {
				continue // whoever asks a question over UDP has such a socket
			}
			l.port = 0
		}
		now[l.String()] = l
	}
	return compareListeners(s, now)
}

// openPorts lists TCP sockets that listen and UDP sockets without a peer.
func openPorts(h paths.Host) (map[uint32]netstat.Socket, error) {
	open := make(map[uint32]netstat.Socket)
	for _, t := range netstat.Tables() {
		if t.Proto == "raw" {
			continue
		}
		sockets, err := netstat.ProcNet(h, t)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, s := range sockets {
			if s.Inode != 0 && (t.Proto == "tcp" && s.State == netstat.Listen || t.Proto == "udp" && s.Remote.Port() == 0) {
				open[s.Inode] = s
			}
		}
	}
	return open, nil
}

// chosen reports whether the kernel chose the port: it is one of those that it
// hands out.
func (l listener) chosen(h paths.Host) bool {
	text, err := proc.ReadSys(h, "net/ipv4/ip_local_port_range")
	f := strings.Fields(text)
	if err != nil || len(f) != 2 {
		return false
	}
	low, err1 := strconv.Atoi(f[0])
	high, err2 := strconv.Atoi(f[1])
	return err1 == nil && err2 == nil && l.port >= low && l.port <= high
}

func compareListeners(s *check.Scan, now map[string]listener) error {
	var memory listenerMemory
	known := s.Memory.Load(&memory) && memory.Known != nil
	if !known {
		memory.Known = make(map[string]bool)
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		switch {
		case !known:
			memory.Known[name] = true
		case !memory.Known[name] && !memory.Known[name+deleted]:
			reportListener(s, now[name])
		}
	}
	return s.Memory.Save(memory)
}

func reportListener(s *check.Scan, l listener) {
	exe := event.SafeText(l.who.exe)
	if exe == "" {
		exe = "unknown"
	}
	port := "a port of the kernel's choice"
	if l.port != 0 {
		port = "port " + strconv.Itoa(l.port)
	}
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "new", Thing: l.String(), PID: l.who.pid, Exe: l.who.exe, Severity: 5,
		Title:  fmt.Sprintf("The program '%s' listens on %s (%s); it did not when hids first looked.", exe, port, l.proto),
		Why:    "A new service is a new way in. If an admin started it, accept the finding.",
		Advice: "ss -lnp",
		Wire:   fmt.Sprintf("New listening socket: %s (%s) by '%s'.", port, l.proto, exe),
	})
}
