// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
	"hids/platform/paths"
)

// newEnv returns an installation with a logs folder, and a host, both empty.
func newEnv(t *testing.T) Env {
	t.Helper()
	e := Env{Layout: paths.Layout{Home: t.TempDir()}, Host: paths.Host{Root: t.TempDir()}}
	for _, dir := range []string{e.Layout.Join("logs"), e.Layout.ResponseBin()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestNames(t *testing.T) {
	ossec := []string{"firewall-drop.sh", "firewall-drop", "host-deny.sh", "disable-account.sh", "route-null.sh",
		"ip-customblock.sh", "restart-ossec.sh", "firewalld-drop.sh", "nftables-drop.sh", "pf.sh", "ipfw.sh",
		"ipfw_mac.sh", "npf.sh", "ossec-tweeter.sh"}
	names := Names()
	for _, name := range ossec {
		if _, ok := find(name); !ok || !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	if k, _ := find("ossec-tweeter.sh"); k.name != "notify" {
		t.Errorf("ossec-tweeter.sh is %s", k.name)
	}
	if _, ok := find(""); ok {
		t.Error("the empty name is a response")
	}
}

func TestParseAddr(t *testing.T) {
	good := map[string]string{"192.0.2.7": "192.0.2.7", "2001:DB8::7": "2001:db8::7", "::ffff:192.0.2.7": "192.0.2.7",
		"10.0.0.1": "10.0.0.1", "fe80::1": "fe80::1"}
	for in, want := range good {
		if got, err := ParseAddr(in); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	bad := []string{"", "-", "null", "attacker.example", "localhost", "0.0.0.0", "::", "127.0.0.1", "127.9.9.9", "::1",
		"::ffff:127.0.0.1", "224.0.0.1", "ff02::1", "255.255.255.255", "192.0.2.0/24", "192.0.2.7/32", "192.0.2.07",
		"192.0.2", "0x7f000001", "2130706433", " 192.0.2.7", "192.0.2.7\n", "fe80::1%eth0", "1.2.3.4;id", "../1.2.3.4", "[::7]"}
	for _, in := range bad {
		if got, err := ParseAddr(in); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	f.Add("::ffff:192.0.2.7")
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := ParseAddr(s)
		if err == nil && (!addr.IsValid() || addr.Zone() != "" || addr.Is4In6() || addr.IsLoopback()) {
			t.Errorf("%q gave %v", s, addr)
		}
	})
}

// The line is the one OSSEC's documentation shows.
func TestLogLine(t *testing.T) {
	e := newEnv(t)
	log := openLog(e.Layout)
	r := Request{Script: "/var/ossec/active-response/bin/host-deny.sh",
		Args: []string{"add", "-", "172.16.0.1", "1304756247.60385", "31151", "(web1)", "more"}}
	at := time.Date(2011, 5, 7, 3, 17, 27, 0, time.FixedZone("CDT", -5*3600))
	if err := log.write(at, words(r)); err != nil {
		t.Fatal(err)
	}
	r.Args = r.Args[:3]
	if err := log.write(at.AddDate(0, 0, 9), words(r)); err != nil {
		t.Fatal(err)
	}
	want := "Sat May  7 03:17:27 CDT 2011 /var/ossec/active-response/bin/host-deny.sh add - 172.16.0.1 1304756247.60385 31151\n" +
		"Mon May 16 03:17:27 CDT 2011 /var/ossec/active-response/bin/host-deny.sh add - 172.16.0.1  \n"
	if diff := cmp.Diff(want, logged(t, e)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The line is, byte for byte, what a script gets that does as OSSEC's do: echo
// "`date` $0 $1 $2 $3 $4 $5", in the C locale as execd sets it.
func TestLogLineIsThatOfAScript(t *testing.T) {
	args := []string{"add", "-", "192.0.2.7", "1304756247.60385", "31151", "(web1)", "10.0.0.5->/var/log/auth.log"}
	for _, at := range []int64{0, 1304756247, 1445000000, 1794000000, 1900000000} {
		for n := range len(args) + 1 {
			script := exec.CommandContext(t.Context(), "sh", append([]string{"-c",
				"echo \"`date -u -d @$UNTIL` $0 $1 $2 $3 $4 $5\"", "/var/ossec/active-response/bin/pf.sh"}, args[:n]...)...)
			script.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "UNTIL=" + strconv.FormatInt(at, 10)}
			want, err := script.Output()
			if err != nil {
				testenv.Skip(t, "needs sh and GNU date")
			}
			e := newEnv(t)
			r := Request{Script: "/var/ossec/active-response/bin/pf.sh", Args: args[:n]}
			if err := openLog(e.Layout).write(time.Unix(at, 0).UTC(), words(r)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), logged(t, e)); diff != "" {
				t.Errorf("%d arguments (-script +ours):\n%s", n, diff)
			}
		}
	}
}

// Each response writes that line first, under each of its names, even when it
// then refuses to act.
func TestEveryNameIsLogged(t *testing.T) {
	for _, name := range Names() {
		e := newEnv(t)
		r := Request{Script: e.Layout.ResponseBin() + "/" + name, Args: []string{"add", "-d", "::1", "1304756247.60385", "31151", "x"}}
		if err := Run(t.Context(), e, name, r); err == nil {
			t.Errorf("%s: acted on %v", name, r.Args)
		}
		first, _, _ := strings.Cut(logged(t, e), "\n")
		line := regexp.MustCompile(`^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4} ` +
			regexp.QuoteMeta(r.Script+" add -d ::1 1304756247.60385 31151") + `$`)
		if !line.MatchString(first) {
			t.Errorf("%s: %q", name, first)
		}
	}
}

func logged(t *testing.T, e Env) string {
	t.Helper()
	text, err := os.ReadFile(e.Layout.ResponseLog())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever an alert says, it stays in its line.
func TestLogIsNotInjected(t *testing.T) {
	e := newEnv(t)
	hostile := "x\nSat May  7 03:17:27 CDT 2011 /var/ossec/active-response/bin/firewall-drop.sh add - 192.0.2.1 1.1 1\r\x1b[2J\u202e\xff"
	err := Run(t.Context(), e, "firewall-drop.sh", Request{Script: "s" + hostile, Args: []string{"add", hostile, hostile,
		strings.Repeat("long", 10000), hostile}})
	if !errors.Is(err, ErrUsage) {
		t.Fatal(err)
	}
	text := logged(t, e)
	if lines := strings.Count(text, "\n"); lines != 2 {
		t.Errorf("%d lines, want the call and the failure:\n%s", lines, text)
	}
	if strings.ContainsAny(text, "\r\x1b") || strings.Contains(text, "\xff") || strings.Contains(text, "\u202e") || len(text) > 6<<10 {
		t.Errorf("not safe to read (%d bytes): %q", len(text), text)
	}
}

func TestCustomBlock(t *testing.T) {
	e := newEnv(t)
	file := filepath.Join(e.Host.Root, customBlockDir, "2001:db8::7")
	call := func(action string) {
		t.Helper()
		if err := Run(t.Context(), e, "ip-customblock.sh", Request{Args: []string{action, "-", "2001:DB8::7"}}); err != nil {
			t.Fatal(err)
		}
	}
	call("delete")
	for range 2 {
		call("add")
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	call("delete")
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after delete: %v", err)
	}
	for _, ip := range []string{"../etc/passwd", "-", ""} {
		if err := Run(t.Context(), e, "ip-customblock", Request{Args: []string{"add", "-", ip}}); !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %v", ip, err)
		}
	}
}

// A log that can't be written is told, but keeps nobody from being blocked.
func TestUnwritableLog(t *testing.T) {
	e := newEnv(t)
	other := filepath.Join(e.Host.Root, "other")
	if err := os.Symlink(other, e.Layout.ResponseLog()); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), e, "ip-customblock", Request{Args: []string{"add", "-", "192.0.2.7"}}); !errors.Is(err, ErrNotLogged) {
		t.Errorf("of the log is said: %v", err)
	}
	if _, err := os.Stat(filepath.Join(e.Host.Root, customBlockDir, "192.0.2.7")); err != nil {
		t.Errorf("not blocked: %v", err)
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("the link was followed")
	}
	err := Run(t.Context(), e, "ip-customblock", Request{Args: []string{"add", "-", "no address"}})
	if !errors.Is(err, ErrUsage) || errors.Is(err, ErrNotLogged) {
		t.Errorf("what failed is told as %v", err)
	}
}

// An account that is gone, or never was, is as its delete asks; one that can't be
// looked up is not.
func TestDisabledAccountIsGone(t *testing.T) {
	e := newEnv(t)
	passwd := e.Host.Path("/etc/passwd")
	if err := os.MkdirAll(filepath.Dir(passwd), 0o755); err != nil {
		t.Fatal(err)
	}
	ask := func(action string) error {
		return Run(t.Context(), e, "disable-account", Request{Args: []string{action, "mallory", "-"}})
	}
	if err := ask("delete"); err == nil || errors.Is(err, ErrUsage) {
		t.Errorf("without passwd: %v", err)
	}
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := ask("delete"); err != nil {
		t.Errorf("an account that is not there: %v", err)
	}
	if err := ask("add"); !errors.Is(err, ErrUsage) {
		t.Errorf("add: %v", err)
	}
}

func TestNotify(t *testing.T) {
	bodies := make(chan []byte, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/secret", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	})
	mux.Handle("/secret-moved", http.RedirectHandler("/secret", http.StatusTemporaryRedirect))
	server := httptest.NewServer(mux)
	defer server.Close()

	e := newEnv(t)
	r := Request{Args: []string{"add", "-", "192.0.2.7", "1304756247.60385", "5712", "(web1)", "10.0.0.5->/var/log/auth.log"}}
	notify := func(url string) error {
		e.Config = config.ActiveResponse{Notify: config.Notify{URL: url}}
		return Run(context.WithoutCancel(t.Context()), e, "ossec-tweeter.sh", r)
	}
	if err := notify(server.URL + "/secret"); err != nil {
		t.Fatal(err)
	}
	var got notice
	if err := json.Unmarshal(<-bodies, &got); err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	want := notice{Time: got.Time, Host: host, Action: "add", IP: "192.0.2.7", Alert: "1304756247.60385", Rule: "5712",
		Args: []string{"(web1)", "10.0.0.5->/var/log/auth.log"},
		Text: "Active response on " + host + ": rule 5712, address 192.0.2.7, at (web1) 10.0.0.5->/var/log/auth.log"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	server2 := httptest.NewServer(nil)
	server2.Close()
	for _, url := range []string{server.URL + "/secret-moved", server.URL + "/secret-missing", server2.URL + "/secret", "", ":"} {
		err := notify(url)
		if err == nil {
			t.Errorf("%s: no error", url)
		} else if strings.Contains(err.Error()+logged(t, e), "secret") {
			t.Errorf("%s: the URL, which may hold a key, is told: %v", url, err)
		}
	}
	r.Args[0] = "delete"
	if err := notify(""); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// Only a name of ours that leads to this very program is ours.
func TestBuiltIn(t *testing.T) {
	e := newEnv(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := func(name string) string { return filepath.Join(e.Layout.ResponseBin(), name) }
	for _, name := range []string{"firewall-drop.sh", "custom.sh"} {
		if err := os.Symlink(exe, bin(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(bin("host-deny.sh"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(e)
	for name, want := range map[string]bool{"firewall-drop.sh": true, "custom.sh": false, "host-deny.sh": false, "route-null.sh": true,
		"../bin/firewall-drop.sh": false} {
		if k.BuiltIn(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
