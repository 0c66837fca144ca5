// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"hids/internal/testenv"
	"hids/platform/control"
	"hids/platform/paths"
)

// controlled is the built program under the name ossec-execd, started and
// stopped by a script that behaves as OSSEC's control script. Time is real in
// it. It is waited for where timed is set; else only recordings in which nothing
// runs out can be played.
type controlled struct {
	*fixture
	script string
	logged int // bytes of ossec.log that have been read
	timed  bool
	at     time.Time // when what comes next was done in the recording
	late   time.Duration
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
	c.sent, c.at = 0, time.Now()
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

func (c *controlled) pass(d time.Duration) {
	if !c.timed {
		return
	}
	c.at = c.at.Add(d)
	time.Sleep(time.Until(c.at))
	c.late = max(c.late, time.Since(c.at))
}

// Under OSSEC's name and its control script the program does what OSSEC's was
// recorded to do.
func TestRecordingsUnderControlScript(t *testing.T) {
	hids := buildForControl(t)
	for _, version := range []string{"2.8.3", "4.3.0"} {
		for _, r := range recordings(version) {
			if r.timed() {
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

// What a real manager and a real agent put on the socket does the same there.
func TestRecordedRequestsUnderControlScript(t *testing.T) {
	hids := buildForControl(t)
	for _, name := range pairs() {
		t.Run(name, func(t *testing.T) {
			c := newControlled(t, hids, pairConf)
			askRecorded(c.fixture, c, name)
		})
	}
}

// timed says that blocks run out in a recording.
func (r replay) timed() bool { return r.capture == "execd-delete" || r.capture == "execd-repeat" }

func buildForControl(t *testing.T) (hids string) {
	t.Helper()
	testenv.Root(t)
	if testing.Short() || raceEnabled {
		t.Skip("builds the binary, without the race detector")
	}
	for _, tool := range []string{"ps", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.Skip(t, "needs "+tool)
		}
	}
	hids = filepath.Join(t.TempDir(), "hids")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", hids, "hids")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build hids: %v\n%s", err, out)
	}
	return hids
}

// The variables by which a process of the test binary learns which recording it
// is to play, and with which program.
const (
	playRecording = "EXECD_TEST_RECORDING"
	playProgram   = "EXECD_TEST_PROGRAM"
)

// The recordings in which blocks run out take as long as they took: up to seven
// minutes, all at once, each in a process of its own. They are played in virtual
// time besides, by TestRecordings.
func TestTimedRecordingsUnderControlScript(t *testing.T) {
	if name := os.Getenv(playRecording); name != "" {
		playInTime(t, name, os.Getenv(playProgram))
		return
	}
	if !fullSize() {
		t.Skip("takes seven minutes; HIDS_TEST_ALL=1 runs it")
	}
	t.Parallel()
	hids := buildForControl(t)
	var all sync.WaitGroup
	for _, version := range []string{"2.8.3", "4.3.0"} {
		for _, r := range recordings(version) {
			if !r.timed() {
				continue
			}
			all.Go(func() {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
				cmd.Env = append(os.Environ(), playRecording+"="+r.capture+"-"+version, playProgram+"="+hids)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s of %s: %v\n%s", r.capture, version, err, out)
				}
			})
		}
	}
	all.Wait()
}

// tooLate is how far behind the recording this machine may be. In one of them
// the second request comes 0.6 s before the first is undone.
const tooLate = 400 * time.Millisecond

// playInTime plays a recording again when the machine was too slow for it.
func playInTime(t *testing.T, name, hids string) {
	version := name[strings.LastIndex(name, "-")+1:]
	i := slices.IndexFunc(recordings(version), func(r replay) bool { return r.capture+"-"+version == name })
	r := recordings(version)[i]
	r.capture = name
	for try := range 3 {
		c := newControlled(t, hids, r.conf)
		c.timed = true
		c.repeatedOffenders(r.ladder)
		r.install(c.fixture)
		has := r.perform(c.fixture, c)
		if c.late > tooLate && try < 2 {
			t.Logf("the machine was %v late: once more", c.late)
			continue
		}
		r.compare(c.fixture, has)
		return
	}
}

func (c *controlled) repeatedOffenders(ladder []time.Duration) {
	c.t.Helper()
	minutes := make([]string, len(ladder))
	for i, step := range ladder {
		minutes[i] = strconv.Itoa(int(step / time.Minute))
	}
	conf := "<ossec_config>\n</ossec_config>\n"
	if len(ladder) > 0 {
		conf = "<ossec_config><active-response><repeated_offenders>" + strings.Join(minutes, ",") +
			"</repeated_offenders></active-response></ossec_config>\n"
	}
	if err := os.WriteFile(c.layout.OssecConf(), []byte(conf), 0o640); err != nil {
		c.t.Fatal(err)
	}
}
