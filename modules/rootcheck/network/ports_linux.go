// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strconv"
	"time"

	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
)

func hiddenPorts(ctx context.Context, s *check.Scan) error {
	listsBound, err := netstat.ListsBound()
	if err != nil {
		s.Log.Debug("sock_diag does not tell of bound sockets", "err", err)
	}
	for _, proto := range []string{"tcp", "udp"} {
		binder, err := netstat.NewBinder(proto)
		if err != nil {
			return check.NotApplicable("%w", err)
		}
		p := hostPorts(s, proto, binder)
		// A bound socket that is in no listing is no reason for an alarm where
		// the kernel does not list such sockets.
		p.surely = func(port int) bool { return proto == "udp" || listsBound || answers(ctx, port) }
		if err := p.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hostPorts looks at the ports that this host really has.
func hostPorts(s *check.Scan, proto string, binder *netstat.Binder) ports {
	return ports{
		scan: s, proto: proto, inUse: binder.InUse,
		list:   func() (map[int]bool, error) { return listedPorts(s.Host, proto) },
		surely: func(int) bool { return true },
	}
}

// listedPorts returns the local ports that any listing shows.
func listedPorts(h paths.Host, proto string) (map[int]bool, error) {
	ports := make(map[int]bool)
	for _, v6 := range []bool{false, true} {
		t := netstat.Table{Proto: proto, V6: v6}
		fromProc, err := netstat.ProcNet(h, t)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		fromDiag, err := netstat.SockDiag(t)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		for _, s := range slices.Concat(fromProc, fromDiag) {
			ports[int(s.Local.Port())] = true
		}
	}
	return ports, nil
}

// answers reports whether something on this machine accepts connections.
func answers(ctx context.Context, port int) bool {
	d := net.Dialer{Timeout: time.Second}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// ports looks for used ports of one protocol.
type ports struct {
	scan   *check.Scan
	proto  string
	inUse  func(port int) (bool, error)
	list   func() (map[int]bool, error)
	surely func(port int) bool // no innocent socket is left out of listings
}

func (p ports) run(ctx context.Context) error {
	suspects := make([]int, 0, 65535)
	for port := 1; port < 65536; port++ {
		suspects = append(suspects, port)
	}
	for range check.Rounds {
		var err error
		if suspects, err = p.round(ctx, suspects); err != nil {
			return err
		}
		if len(suspects) == 0 {
			return nil
		}
		if err := check.Rest(ctx); err != nil {
			return err
		}
	}
	return p.judge(ctx, suspects)
}

// judge counts what is sure apart from what may be innocent: anybody can bind a
// thousand ports.
func (p ports) judge(ctx context.Context, suspects []int) error {
	hidden, bound := 0, 0
	for _, port := range suspects {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case p.surely(port):
			if hidden++; hidden > excessive {
				p.reportExcessive()
				return nil
			}
			p.report(port)
		case bound < excessive:
			bound++
			p.reportBound(port)
		}
	}
	return nil
}

// round keeps the ports that cannot be bound though neither the listing before
// nor the one after has them. Listed ports are not tried.
func (p ports) round(ctx context.Context, suspects []int) ([]int, error) {
	before, err := p.list()
	if err != nil {
		return nil, err
	}
	var used []int
	denied := 0
	for i, port := range suspects {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if before[port] {
			continue
		}
		switch busy, err := p.inUse(port); {
		case errors.Is(err, fs.ErrPermission):
			denied++
		case err != nil:
			return nil, fmt.Errorf("try port %d: %w", port, err)
		case busy:
			used = append(used, port)
		}
	}
	if denied > 0 {
		p.scan.Fault("try ports", fmt.Errorf("%d ports: %w", denied, fs.ErrPermission))
	}
	if len(used) == 0 {
		return nil, nil
	}
	after, err := p.list()
	return slices.DeleteFunc(used, func(port int) bool { return after[port] }), err
}

// about is what both reports of a port say.
func (p ports) about(port int) check.Finding {
	return check.Finding{
		Thing:  p.proto + " " + strconv.Itoa(port),
		Title:  fmt.Sprintf("The %s port %d is in use, and neither /proc/net nor sock_diag lists it.", p.proto, port),
		Advice: fmt.Sprintf("ss -anp 'sport = :%d'; connect to the port from another machine", port),
	}
}

func (p ports) report(port int) {
	f := p.about(port)
	f.Kind, f.Rule, f.Wire = check.Rootkit, "hidden", portText(port, p.proto)
	f.Why = "The kernel refuses the port because a socket has it, and two listings leave that socket out: three times in a row."
	p.scan.Report(f)
}

func (p ports) reportBound(port int) {
	f := p.about(port)
	f.Kind, f.Rule = check.Info, "bound"
	f.Why = "Nothing answers there: most likely a program that has bound the port and does not listen. Kernels before 6.8 list no such sockets."
	p.scan.Report(f)
}

// portText is OSSEC's.
func portText(port int, proto string) string {
	return fmt.Sprintf("Port '%d'(%s) hidden. Kernel-level rootkit or trojaned version of netstat.", port, proto)
}

func (p ports) reportExcessive() {
	p.scan.Report(check.Finding{
		Kind: check.Suspicious, Rule: "excessive", Thing: p.proto,
		Title:  fmt.Sprintf("More than %d %s ports are hidden.", excessive, p.proto),
		Why:    "So many may also mean that this process sees other sockets than the ones it competes with.",
		Advice: "ls -l /proc/self/ns/net /proc/1/ns/net",
		Wire:   fmt.Sprintf("Excessive number of '%s' ports hidden. It maybe a false-positive or something really bad is going on.", p.proto),
	})
}
