// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/modules/rootcheck/check"
	"hids/platform/netstat"
	"hids/platform/paths"
	"hids/platform/plant"
)

// run asks one check, and returns the findings and what it remembers.
func run(t testing.TB, f func(context.Context, *check.Scan) error, h paths.Host, memory json.RawMessage) ([]check.Finding, json.RawMessage) {
	t.Helper()
	s, found := newScan(h, memory)
	if err := f(t.Context(), s); errors.Is(err, check.ErrNotApplicable) {
		testenv.Skip(t, err.Error())
	} else if err != nil {
		t.Fatal(err)
	}
	raw, _ := s.Memory.Bytes()
	return *found, raw
}

func newScan(h paths.Host, memory json.RawMessage) (*check.Scan, *[]check.Finding) {
	var found []check.Finding
	return &check.Scan{
		Host: h, Live: true, Check: "test", Log: slog.New(slog.DiscardHandler), Memory: check.NewMemory(memory),
		Emit: func(f check.Finding) { found = append(found, f) },
	}, &found
}

func wires(found []check.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Wire)
	}
	slices.Sort(list)
	return list
}

func expect(t *testing.T, found []check.Finding, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, wires(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// listen opens a listening port until the test ends.
func listen(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// fakeNet copies /proc/net/tcp and its like without the lines of a port, and
// links to the rest of /proc.
func fakeNet(t *testing.T, without int) paths.Host {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "net" {
			if err := os.Symlink("/proc/"+e.Name(), filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "net"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, table := range netstat.Tables() {
		b, err := os.ReadFile("/proc/net/" + table.Name())
		if err != nil {
			continue
		}
		var kept strings.Builder
		for line := range strings.Lines(string(b)) {
			if !strings.Contains(line, fmt.Sprintf(":%04X ", without)) {
				kept.WriteString(line)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "net", table.Name()), []byte(kept.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths.Host{Proc: dir}
}

// TestPortMissingFromProcNet runs in a network namespace where nothing else
// happens.
func TestPortMissingFromProcNet(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	port := listen(t)
	found, _ := run(t, hiddenSockets, paths.Host{}, nil)
	expect(t, found)
	found, _ = run(t, hiddenSockets, fakeNet(t, port), nil)
	expect(t, found, fmt.Sprintf("Port '%d'(tcp) hidden. Kernel-level rootkit or trojaned version of netstat.", port))
}

// TestOrdinarySockets: of sockets that are merely unusual none is hidden.
func TestOrdinarySockets(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	plant.RawSocket(t, false, 6)
	plant.RawSocket(t, true, 17)
	plant.RawSocket(t, false, 255)
	plant.BoundSocket(t)
	port := listen(t)
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for name, f := range map[string]func(context.Context, *check.Scan) error{"sockets": hiddenSockets, "ports": hiddenPorts} {
		found, _ := run(t, f, paths.Host{}, nil)
		for _, f := range found {
			if f.Kind != check.Info { // a kernel before 6.8 does not list the bound one
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestPortMissingFromEveryListing: only bind(2) tells.
func TestPortMissingFromEveryListing(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	port := listen(t)
	binder, err := netstat.NewBinder("tcp")
	if err != nil {
		t.Fatal(err)
	}
	s, hidden := newScan(paths.Host{}, nil)
	p := ports{
		scan: s, proto: "tcp", inUse: binder.InUse,
		list:   func() (map[int]bool, error) { return map[int]bool{}, nil },
		surely: func(port int) bool { return answers(t.Context(), port) },
	}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, *hidden, fmt.Sprintf("Port '%d'(tcp) hidden. Kernel-level rootkit or trojaned version of netstat.", port))
}

func TestPorts(t *testing.T) {
	hidden := func(port int) string { return portText(port, "udp") }
	always, never := func(int) bool { return true }, func(int) bool { return false }
	var many []int
	for port := 2000; port < 2100; port++ {
		many = append(many, port)
	}
	for _, c := range []struct {
		name   string
		used   func(round, port int) bool
		listed func(round int) []int
		surely func(port int) bool
		want   []string
	}{
		{"listed", func(_, p int) bool { return p == 53 }, func(int) []int { return []int{53} }, always, nil},
		{"hidden", func(_, p int) bool { return p == 53 }, func(int) []int { return nil }, always, []string{hidden(53)}},
		{"closed meanwhile", func(r, p int) bool { return p == 53 && r < 2 }, func(int) []int { return nil }, always, nil},
		{"opened between listing and bind", func(_, p int) bool { return p == 53 }, func(r int) []int {
			if r == 0 {
				return nil
			}
			return []int{53}
		}, always, nil},
		{"bound by somebody who does not listen", func(_, p int) bool { return p == 53 }, func(int) []int { return nil }, never, []string{""}},
		{"bound by somebody who wants to hide another", func(_, p int) bool { return p == 3000 || slices.Contains(many, p) }, func(int) []int { return nil },
			func(p int) bool { return p == 3000 }, append(make([]string, excessive), hidden(3000))},
		{"excessive", func(_, p int) bool { return slices.Contains(many, p) }, func(int) []int { return nil }, always, func() []string {
			list := []string{"Excessive number of 'udp' ports hidden. It maybe a false-positive or something really bad is going on."}
			for _, p := range many[:excessive] {
				list = append(list, hidden(p))
			}
			return list
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, found := newScan(paths.Host{}, nil)
			lists := 0
			p := ports{
				scan: s, proto: "udp",
				inUse: func(port int) (bool, error) { return c.used(lists/2, port), nil },
				list: func() (map[int]bool, error) {
					m := make(map[int]bool)
					for _, port := range c.listed(lists) {
						m[port] = true
					}
					lists++
					return m, nil
				},
				surely: c.surely,
			}
			if err := p.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			expect(t, *found, c.want...)
		})
	}
}

// inherits starts a program, which must be like cat, with a listening socket as
// its output, and returns the socket.
func inherits(t *testing.T, program string) (*os.File, *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	cat := exec.CommandContext(t.Context(), program) // waits for its input to end
	cat.Stdout = f
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cat.Wait() })
	return f, cat
}

// TestSharedSocket: a program is not excused by another that has the same socket.
func TestSharedSocket(t *testing.T) {
	f, cat := inherits(t, "/bin/cat")
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	held, _, err := holders(t.Context(), paths.Host{})
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, who := range held[uint32(info.Sys().(*syscall.Stat_t).Ino)] {
		pids = append(pids, who.pid)
	}
	slices.Sort(pids)
	if want := []int{os.Getpid(), cat.Process.Pid}; !slices.Equal(pids, want) {
		t.Errorf("held by %v, want %v", pids, want)
	}
}

func TestPacketSocketWithFilter(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	found, _ := run(t, sniffers, paths.Host{}, nil)
	expect(t, found)
	plant.PacketSocket(t)
	found, _ = run(t, sniffers, paths.Host{}, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	expect(t, found, "Process executable '"+self+"' has a packet socket with a filter. Possible backdoor or sniffer.")
	if found[0].PID != os.Getpid() {
		t.Errorf("held by %d, want us, %d", found[0].PID, os.Getpid())
	}
}

func TestUsualSnifferNeedsAPackage(t *testing.T) {
	for exe, want := range map[string]bool{"/usr/sbin/dhclient": true, "/tmp/dhclient": false, "/usr/local/sbin/dhclient": false, "/usr/bin/x": false} {
		if got := usualSniffer(filepath.Base(exe)) && systemFolder(exe); got != want {
			t.Errorf("%s is believed: %v", exe, got)
		}
	}
}

func TestPromiscuity(t *testing.T) {
	h := paths.Host{Sys: t.TempDir()}
	for name, flags := range map[string]string{"br0": "0x1003", "port": "0x1103", "tapped": "0x1103", "under": "0x1103", "mac0": "0x1003", "liar": "0x1003", "open": "0x1103"} {
		p := h.SysPath("class", "net", name, "flags")
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(flags+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	links := []netstat.Link{
		{Index: 1, Name: "br0", Kind: "bridge"},
		{Index: 2, Name: "port", Master: 1, Promiscuity: 1},
		{Index: 3, Name: "tapped", Master: 1, Promiscuity: 2},
		{Index: 4, Name: "under", Promiscuity: 1},
		{Index: 5, Name: "mac0", Kind: "macvlan", Parent: 4},
		{Index: 6, Name: "liar", Promiscuity: 1},
		{Index: 7, Name: "open", Promiscuity: 1},
	}
	want := map[listening]int{{"tapped", false}: 1, {"liar", true}: 1, {"open", false}: 1}
	if diff := cmp.Diff(want, unexplained(h, links), cmp.AllowUnexported(listening{})); diff != "" {
		t.Errorf("unexplained (-want +got):\n%s", diff)
	}
	// A sysfs of another namespace denies nothing.
	for l := range unexplained(h, append(links, netstat.Link{Index: 8, Name: "elsewhere"})) {
		if l.denied {
			t.Errorf("%s is denied", l.name)
		}
	}
}

// TestPromiscuousLoopback: a real interface, with a sysfs that denies the flag.
func TestPromiscuousLoopback(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	plant.Loopback(t, uint16(net.FlagUp)|netstat.PromiscFlag)
	h := paths.Host{Sys: t.TempDir()}
	p := h.SysPath("class", "net", "lo", "flags")
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte("0x9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, _ := run(t, promiscuity, h, nil)
	expect(t, found, "Interface 'lo' in promiscuous mode, but ifconfig is not showing it(probably trojaned).")
}

func TestNewListener(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, memory := run(t, listeners, paths.Host{}, nil)
	listen(t)
	low, err := net.Listen("tcp4", "127.0.0.1:81")
	if err != nil {
		t.Fatal(err)
	}
	defer low.Close()
	var found []check.Finding
	for range 2 { // it is not forgotten once it was told
		found, memory = run(t, listeners, paths.Host{}, memory)
		expect(t, found,
			"New listening socket: a port of the kernel's choice (tcp) by '"+self+"'.",
			"New listening socket: port 81 (tcp) by '"+self+"'.")
	}
}

// TestUpgradedListener: a service whose file was replaced is none that is new, and
// neither is it when it runs the new file.
func TestUpgradedListener(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	program := filepath.Join(t.TempDir(), "service")
	text, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	f, _ := inherits(t, program)
	f.Close() // it alone has the socket
	_, memory := run(t, listeners, paths.Host{}, nil)
	if !strings.Contains(string(memory), program) {
		t.Fatalf("remembered: %s", memory)
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	found, _ := run(t, listeners, paths.Host{}, memory)
	expect(t, found)
	memory = json.RawMessage(strings.ReplaceAll(string(memory), program, program+deleted))
	found, _ = run(t, listeners, paths.Host{}, memory)
	expect(t, found)
}

// TestQuietOnBusyHost opens and closes connections while the checks run that
// compare two moments.
func TestQuietOnBusyHost(t *testing.T) {
	if !plant.Isolated(t, plant.Network) {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
				c.Close()
			}
		}
	}()
	defer func() { stop(); <-done }()
	tcp := func(ctx context.Context, s *check.Scan) error {
		binder, err := netstat.NewBinder("tcp")
		if err != nil {
			return err
		}
		return hostPorts(s, "tcp", binder).run(ctx)
	}
	for name, f := range map[string]func(context.Context, *check.Scan) error{"ports": tcp, "sockets": hiddenSockets} {
		found, _ := run(t, f, paths.Host{}, nil)
		for _, f := range found {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func BenchmarkPorts(b *testing.B)       { benchmark(b, hiddenPorts) }
func BenchmarkSockets(b *testing.B)     { benchmark(b, hiddenSockets) }
func BenchmarkSniffers(b *testing.B)    { benchmark(b, sniffers) }
func BenchmarkListeners(b *testing.B)   { benchmark(b, listeners) }
func BenchmarkPromiscuity(b *testing.B) { benchmark(b, promiscuity) }

func benchmark(b *testing.B, f func(context.Context, *check.Scan) error) {
	for b.Loop() {
		run(b, f, paths.Host{}, nil)
	}
}
