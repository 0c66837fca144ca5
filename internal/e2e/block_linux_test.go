// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hids/internal/netnstest"
	"hids/internal/testenv"
	"hids/modules/execd"
	"hids/platform/command"
	"hids/platform/firewall"
	"hids/platform/paths"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hids-e2e-")
	if err != nil {
		panic(err)
	}
	binary = sync.OnceValues(func() (string, error) { return build(filepath.Join(dir, "hids")) })
	code := netnstest.Main(m, map[string]netnstest.Role{"blocked": roleBlocked})
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// binary makes hids, once for all tests.
var binary func() (string, error)

func build(path string) (string, error) {
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "hids")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hids: %w\n%s", err, out)
	}
	return path, nil
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(netnstest.Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

const ossecConf = `<ossec_config>
  <syscheck><disabled>yes</disabled></syscheck>
  <rootcheck><disabled>yes</disabled></rootcheck>
</ossec_config>
`

const arConf = `firewall-drop600 - firewall-drop.sh - 600
firewall-drop3 - firewall-drop.sh - 3
firewall-drop1 - firewall-drop.sh - 1
`

// install makes an installation in which firewall-drop.sh leads to the binary.
func install(t *testing.T, hids string) paths.Layout {
	t.Helper()
	l := paths.Layout{Home: t.TempDir()}
	for _, dir := range []string{filepath.Dir(l.ARConf()), l.ResponseBin(), filepath.Dir(l.ResponseLog())} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{l.OssecConf(): ossecConf, l.ARConf(): arConf} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(hids, filepath.Join(l.ResponseBin(), "firewall-drop.sh")); err != nil {
		t.Fatal(err)
	}
	return l
}

// daemon is a running hids.
type daemon struct {
	t      *testing.T
	layout paths.Layout
	cmd    *exec.Cmd
	output bytes.Buffer
	conn   *net.UnixConn // to execq
}

// start starts hids, or what ends in being hids, on the victim.
func start(t *testing.T, n *netnstest.Net, l paths.Layout, hids ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, layout: l}
	d.cmd = n.Exec(n.Victim, append(hids, "run", "-f", "-D", d.layout.Home)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.output, &d.output
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("hids said:\n%s\nresponses:\n%s", d.output.String(), d.responses())
		}
	})
	addr := &net.UnixAddr{Name: d.layout.ExecQueue(), Net: "unixgram"}
	eventually(t, "connect to execq", func() bool {
		conn, err := net.DialUnix("unixgram", nil, addr)
		d.conn = conn
		return err == nil
	})
	return d
}

// stop ends it as a service manager does. ip has become hids by exec(2).
func (d *daemon) stop() {
	if d.cmd.ProcessState != nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

// request sends what a manager's alert becomes.
func (d *daemon) request(response, ip string) {
	d.t.Helper()
	message := response + " - " + ip + " 1445000000.123456 5712 (web1) 10.0.0.5->/var/log/auth.log -\x00"
	if _, err := d.conn.Write([]byte(message)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) responses() string {
	text, _ := os.ReadFile(d.layout.ResponseLog())
	return string(text)
}

// logged is the line that a manager's decoder reads.
func (d *daemon) logged(action, ip string) bool {
	script := filepath.Join(d.layout.ResponseBin(), "firewall-drop.sh")
	line := regexp.MustCompile(`(?m)^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4} ` +
		regexp.QuoteMeta(script+" "+action+" - "+ip+" 1445000000.123456 5712") + `$`)
	return line.MatchString(d.responses())
}

// newNet returns two hosts and the binary.
func newNet(t *testing.T) (*netnstest.Net, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		testenv.Skip(t, "needs nft (package nftables)")
	}
	n := netnstest.New(t)
	hids, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return n, hids
}

// flush throws all rules away, as a reload of the admin's own, or a reboot, does.
func flush(t *testing.T, n *netnstest.Net) {
	t.Helper()
	if out, err := n.Exec(n.Victim, "nft", "flush", "ruleset").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// listed is what hids execd list says: who is blocked, and until when.
func listed(t *testing.T, n *netnstest.Net, l paths.Layout, hids string) map[string]time.Time {
	t.Helper()
	out, err := n.Exec(n.Victim, hids, "execd", "list", "--format", "json", "-D", l.Home).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer execd.Blocks
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	until := map[string]time.Time{}
	for _, b := range answer.Blocks {
		until[b.IP] = b.Until
	}
	return until
}

// roleBlocked prints what the packet filter blocks, and until when.
func roleBlocked(_ []string, _ *bufio.Reader, stdout io.Writer) error {
	ctx := context.Background()
	fw, err := firewall.Open(ctx, firewall.Options{Run: command.Run, Lock: os.DevNull, Backend: "nftables"})
	if err != nil {
		return err
	}
	blocks, err := fw.List(ctx)
	for _, b := range blocks {
		fmt.Fprintln(stdout, b.Net.Addr(), b.Until.Format(time.RFC3339Nano))
	}
	return err
}

func inFirewall(t *testing.T, n *netnstest.Net) map[string]time.Time {
	t.Helper()
	until := map[string]time.Time{}
	for line := range strings.Lines(n.Do(n.Victim, "blocked")) {
		ip, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		end, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatal(err)
		}
		until[ip] = end
	}
	return until
}

// A datagram blocks a real connection, for its time and not longer, through a
// flush of the rules, and until hids ends.
func TestDatagramBlocks(t *testing.T) {
	n, hids := newNet(t)
	n.Serve()
	v4, v6, other4, other6 := netnstest.V4("2"), netnstest.V6("2"), netnstest.V4("3"), netnstest.V6("3")
	n.Open(v4, v6, other4, other6)
	d := start(t, n, install(t, hids), hids)

	d.request("firewall-drop600", v4)
	d.request("firewall-drop600", v6)
	n.Closes(v4, v6)
	n.Open(other4, other6)
	if !d.logged("add", v4) || !d.logged("add", v6) {
		t.Errorf("not logged as OSSEC does:\n%s", d.responses())
	}

	d.request("firewall-drop1", other4)
	eventually(t, "see the short block end", func() bool { return d.logged("delete", other4) })
	n.Open(other4)

	flush(t, n)
	eventually(t, "see the blocks put back", func() bool {
		out, _ := n.Exec(n.Victim, "nft", "list", "table", "inet", "hids").Output()
		return strings.Contains(string(out), v4) && strings.Contains(string(out), v6)
	})
	n.Blocked(v4, v6)

	d.stop()
	n.Open(v4, v6)
	if !d.logged("delete", v4) || !d.logged("delete", v6) {
		t.Errorf("not undone at the end:\n%s", d.responses())
	}
}

// badDisks are a full one for the logs, and one for what execd remembers that the
// kernel has made read-only.
const badDisks = `mount -t tmpfs -o size=16k logs "$1/logs"
	dd if=/dev/zero of="$1/logs/full" 2>/dev/null || true
	touch "$1/logs/active-responses.log"
	mkdir -p "$2"; mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"
	shift 2; exec "$@"`

// A full disk and a read-only one let no attacker in, and keep nobody out.
func TestBadDisksHoldUpNoBlock(t *testing.T) {
	n, hids := newNet(t)
	n.Serve()
	v4, v6 := netnstest.V4("2"), netnstest.V6("2")
	n.Open(v4, v6)
	l := install(t, hids)
	d := start(t, n, l, "sh", "-ec", badDisks, "sh", l.Home, l.State("execd"), hids)
	begun := time.Now()
	d.request("firewall-drop3", v4)
	d.request("firewall-drop3", v6)
	n.Closes(v4, v6)
	eventually(t, "see the blocks end", func() bool { return len(listed(t, n, l, hids)) == 0 })
	if took := time.Since(begun); took < 3*time.Second {
		t.Errorf("unblocked after %v", took)
	}
	n.Open(v4, v6)
	d.stop()
	for _, said := range []string{"done, but not logged", "no space left on device", "read-only file system"} {
		if !strings.Contains(d.output.String(), said) {
			t.Errorf("%q is not said", said)
		}
	}
}

// iptablesTools puts iptables into a folder as one of its two kinds, which
// Debian's alternatives choose between.
func iptablesTools(t *testing.T, kind string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, tool := range []string{"iptables", "ip6tables"} {
		path, err := exec.LookPath(tool + "-" + kind)
		if err != nil {
			testenv.Skip(t, "needs "+tool+"-"+kind)
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The own chain of iptables does what the own table of nftables does: blocks in
// both families, two at once, each until its time, and until hids ends.
func TestDatagramBlocksByIptables(t *testing.T) {
	for _, kind := range []string{"nft", "legacy"} {
		t.Run(kind, func(t *testing.T) {
			n, hids := newNet(t)
			tools := iptablesTools(t, kind)
			if out, err := n.Exec(n.Victim, filepath.Join(tools, "iptables"), "-S").CombinedOutput(); err != nil {
				testenv.Skip(t, fmt.Sprintf("needs a kernel with iptables-%s: %v: %s", kind, err, out))
			}
			n.Serve()
			v4, v6, other4, other6 := netnstest.V4("2"), netnstest.V6("2"), netnstest.V4("3"), netnstest.V6("3")
			n.Open(v4, v6, other4, other6)
			l := install(t, hids)
			if err := os.WriteFile(l.HidsConf(), []byte(withIptables), 0o644); err != nil {
				t.Fatal(err)
			}
			// Responses have a PATH of their own, so the tools are put where it leads.
			d := start(t, n, l, "sh", "-ec", `for tool in iptables ip6tables; do
				mount --bind "$1/$tool" "$(readlink -f "$(command -v "$tool")")"; done
				shift; exec "$@"`, "sh", tools, hids)

			begun := time.Now()
			for ip, response := range map[string]string{v4: "firewall-drop600", v6: "firewall-drop600", other4: "firewall-drop3", other6: "firewall-drop3"} {
				d.request(response, ip)
			}
			n.Closes(v4, v6, other4, other6)
			eventually(t, "see the short blocks end", func() bool { return d.logged("delete", other4) && d.logged("delete", other6) })
			if took := time.Since(begun); took < 3*time.Second {
				t.Errorf("unblocked after %v", took)
			}
			n.Open(other4, other6)
			n.Blocked(v4, v6)
			if out, err := n.Exec(n.Victim, filepath.Join(tools, "iptables"), "-t", "raw", "-S", "hids").CombinedOutput(); err != nil || !strings.Contains(string(out), v4+"/32") {
				t.Errorf("not blocked by this kind of iptables: %v: %s", err, out)
			}
			if out, _ := n.Exec(n.Victim, "nft", "list", "table", "inet", "hids").Output(); len(out) > 0 {
				t.Errorf("blocked by nftables:\n%s", out)
			}
			d.stop()
			n.Open(v4, v6)
		})
	}
}

const withIptables = `<hids_config>
  <active-response><firewall>iptables</firewall></active-response>
</hids_config>
`

// ownScript is what an admin may have: iptables, as OSSEC's own scripts use it.
const ownScript = `#!/bin/sh
case $3 in *:*) tool=ip6tables ;; *) tool=iptables ;; esac
case $1 in add) op=-I ;; *) op=-D ;; esac
$tool -w 30 $op INPUT -s "$3" -j DROP || exit 1
echo "$1 $3" >>"$HIDS_HOME/own.calls"
`

// An admin's own script works beside the built-in responses: it blocks with
// iptables in both families, and its block ends at its time.
func TestOwnScriptBlocks(t *testing.T) {
	n, hids := newNet(t)
	if _, err := exec.LookPath("iptables"); err != nil {
		testenv.Skip(t, "needs iptables")
	}
	n.Serve()
	v4, v6, other4, other6 := netnstest.V4("2"), netnstest.V6("2"), netnstest.V4("3"), netnstest.V6("3")
	l := install(t, hids)
	if err := os.WriteFile(filepath.Join(l.ResponseBin(), "own.sh"), []byte(ownScript), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.ARConf(), []byte(arConf+"own600 - own.sh - 600\nown1 - own.sh - 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	called := func(call string) bool {
		calls, _ := os.ReadFile(l.Join("own.calls"))
		return strings.Contains(string(calls), call+"\n")
	}
	d := start(t, n, l, hids)
	d.request("own600", v4)
	d.request("own600", v6)
	d.request("firewall-drop600", other6)
	n.Closes(v4, v6, other6)
	n.Open(other4)
	d.request("own1", other4)
	eventually(t, "see the short block end", func() bool { return called("delete " + other4) })
	if !called("add " + other4) {
		t.Error("it was never blocked")
	}
	n.Open(other4)
	n.Blocked(v4, v6, other6)
	d.stop()
	n.Open(v4, v6, other4, other6)
}

// Everything is killed, all rules are gone, and the kernel says that it is
// another boot. The next start puts the blocks back, and what it lists is what
// the firewall has, with the same ends.
func TestBlocksOutliveReboot(t *testing.T) {
	n, hids := newNet(t)
	n.Serve()
	v4, v6, other4, other6 := netnstest.V4("2"), netnstest.V6("2"), netnstest.V4("3"), netnstest.V6("3")
	l := install(t, hids)
	first := start(t, n, l, hids)
	first.request("firewall-drop600", v4)
	first.request("firewall-drop600", v6)
	first.request("firewall-drop1", other4) // it is over by then
	n.Closes(v4, v6)
	eventually(t, "see the short block end", func() bool { return first.logged("delete", other4) })
	eventually(t, "see it leave the list", func() bool { return listed(t, n, l, hids)[other4].IsZero() })
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait()
	flush(t, n)
	n.Open(v4, v6)

	rebooted := filepath.Join(t.TempDir(), "boot_id")
	if err := os.WriteFile(rebooted, []byte("6f1f4c4e-0000-4000-8000-000000000001\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	second := start(t, n, l, "sh", "-ec", `mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"`, "sh", rebooted, hids)
	n.Closes(v4, v6)
	n.Open(other4, other6)
	inList, blocked := listed(t, n, l, hids), inFirewall(t, n)
	if len(inList) != 2 || inList[v4].IsZero() || inList[v6].IsZero() {
		t.Errorf("hids execd list has %v", inList)
	}
	for ip, until := range inList {
		if d := until.Sub(blocked[ip]).Abs(); d > 10*time.Second { // the kernel tells what is left, and a busy machine is slow to hear it
			t.Errorf("%s: listed until %v, blocked until %v", ip, until, blocked[ip])
		}
		delete(blocked, ip)
	}
	if len(blocked) > 0 {
		t.Errorf("blocked, and not listed: %v", blocked)
	}
	second.stop()
	if !strings.Contains(second.output.String(), "block is put in force again") {
		t.Error("it did not see another boot")
	}
}
