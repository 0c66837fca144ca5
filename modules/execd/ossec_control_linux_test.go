// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"hids/internal/testenv"
	"hids/platform/control"
	"hids/platform/paths"
)

// controlled is the built program under the name ossec-execd, started and
// stopped by a script that behaves as OSSEC's control script. Time is real in
// it, and not waited for: only recordings in which nothing runs out are played.
type controlled struct {
	*fixture
	script string
	logged int // bytes of ossec.log that have been read
}

// newControlled installs it. The control script is the one of its own test.
func newControlled(t *testing.T, hids, conf string) *controlled {
	t.Helper()
	// Its path must be short: a socket's name has 108 bytes (unix(7)).
	dir, err := os.MkdirTemp("", "hids-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fixture{t: t, layout: paths.Layout{Home: filepath.Join(dir, "home")}, log: &lines{}}
	f.install(conf)
	c := &controlled{fixture: f, script: filepath.Join(dir, "control.sh")}
	archive, err := txtar.ParseFile(filepath.Join("..", "..", "commands", "testdata", "script", "ossec-control.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range archive.Files {
		if file.Name == "control.sh" {
			err = os.WriteFile(c.script, file.Data, 0o755)
		}
	}
	bin := f.layout.Join("bin")
	if err == nil {
		err = os.Mkdir(bin, 0o750)
	}
	if err == nil {
		err = os.Symlink(hids, filepath.Join(bin, "ossec-execd"))
	}
	if err == nil {
		err = os.WriteFile(f.layout.OssecConf(), []byte("<ossec_config></ossec_config>\n"), 0o640)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// control runs the script, without resolvers: some that are in the recordings
// may be this machine's, and would not be blocked.
func (c *controlled) control(action string) {
	c.t.Helper()
	group, err := user.LookupGroupId("0")
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), "unshare", "--mount", "sh", "-ec",
		`[ ! -e /etc/resolv.conf ] || mount --bind /dev/null /etc/resolv.conf; exec "$0" "$1"`, c.script, action)
	cmd.Dir = filepath.Dir(c.script)
	cmd.Env = append(os.Environ(), "GROUP="+group.Name, "HIDS_HOME="+c.layout.Home)
	cmd.WaitDelay = time.Minute
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("control script, %s: %v\n%s\n%s", action, err, out, c.log)
	}
}

func (c *controlled) begin() {
	c.t.Helper()
	c.control("start")
	var err error
	if c.sender, err = net.Dial("unixgram", c.layout.ExecQueue()); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if c.sender != nil {
			c.end()
		}
	})
	c.sent = 0
}

func (c *controlled) end() {
	c.t.Helper()
	c.sender.Close()
	c.sender = nil
	c.control("stop")
	log, err := os.ReadFile(c.layout.DaemonLog())
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(log[c.logged:])) {
		_, _ = c.log.Write([]byte(line))
	}
	c.logged = len(log)
}

// settled waits for what is due, too: a request that comes before it is undone
// goes into the same block.
func (c *controlled) settled() {
	c.t.Helper()
	client := control.NewClient(c.layout.ControlSocket("execd"))
	eventually(c.t, "the request decided, its program ended, nothing due", func() bool {
		s, err := askStats(c.t, c.layout)
		if err != nil || s.Received != c.sent || s.Running > 0 || s.Waiting > 0 {
			return false
		}
		var all Blocks
		err = client.Get(c.t.Context(), "/blocks", &all)
		return err == nil && !slices.ContainsFunc(all.Blocks, func(b Block) bool { return b.Until.Before(time.Now()) })
	})
}

func (c *controlled) pass(time.Duration) {}

// Under OSSEC's name and its control script the program does what OSSEC's was
// recorded to do.
func TestRecordingsUnderControlScript(t *testing.T) {
	testenv.Root(t)
	if testing.Short() || raceEnabled {
		t.Skip("builds the binary, without the race detector")
	}
	for _, tool := range []string{"ps", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.Skip(t, "needs "+tool)
		}
	}
	hids := filepath.Join(t.TempDir(), "hids")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", hids, "hids")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build hids: %v\n%s", err, out)
	}
	timeless := []string{"execd-basic", "execd-crash", "execd-overflow", "execd-arconf", "execd-stale"}
	for _, version := range []string{"2.8.3", "4.3.0"} {
		for _, r := range recordings(version) {
			if !strings.Contains(strings.Join(timeless, " "), r.capture) {
				continue
			}
			r.capture += "-" + version
			t.Run(r.capture, func(t *testing.T) {
				c := newControlled(t, hids, r.conf)
				r.install(c.fixture)
				r.play(c.fixture, c)
			})
		}
	}
}
