// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// record is a line of a recording of OSSEC's execd.
type record struct {
	T    float64 `json:"t"`
	Mark string  `json:"mark"`
	B64  string  `json:"b64"`
	Text string  `json:"text"` // of recordings of a manager: the request
	Sent *string `json:"sent"`
	Log  string  `json:"log"`
	Ran  *struct {
		Argv []string `json:"argv"`
	} `json:"ran"`
}

func readCapture(t testing.TB, name string) []record {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "captures", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []record
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r record
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if err := in.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d records, %v", name, len(all), err)
	}
	return all
}

// stockConf is the ar.conf of the recordings.
const stockConf = `restart-ossec0 - restart-dump - 0
restart-ossec0 - restart-ossec.cmd - 0
dump0 - ardump - 0
dump3 - ardump - 3
dump60 - ardump - 60
other60 - ardump - 60
second60 - ardump2 - 60
missing0 - not-there.sh - 0
noexec0 - noexec - 0
sleep0 - sleepdump - 0
`

// badConf is the ar.conf with malformed lines of the recordings. Names with
// blanks, a leading blank, a comment.
const badConf = `dumpx - ardump - abc
name -	ardump - 0
 dump_lead - ardump - 0
dump_dash-name - ardump - 0
trav - ../bin/ardump - 0
space cmd - ardump - 0
spacecmd - ar dump - 0
dup0 - not-there.sh - 0
dup0 - ardump - 0
neg - ardump - -5
# - comment
onlyname

last - ardump - 0`

// A replay is a recording and what differs now, on purpose. Every difference
// is in docs/compatibility.md.
type replay struct {
	capture string
	conf    string
	ladder  []time.Duration
	marks   map[string]func(*fixture) // what was done to the installation
	add     []string                  // calls that are new
	drop    []string                  // calls that are gone
	logs    []string                  // messages that must be as often as recorded
}

// stage is where a recording is played: an execd, and time that passes.
type stage interface {
	begin()
	end()
	send(datagram string)
	settled()
	pass(time.Duration)
}

// run plays a recording to an execd in this process, in virtual time.
func (r replay) run(t *testing.T) {
	f := newFixture(t, r.conf)
	r.install(f)
	f.cfg.ActiveResponse.RepeatedOffenders = r.ladder
	r.play(f, f)
}

func (r replay) install(f *fixture) {
	f.t.Helper()
	f.programs("ardump", "ardump2", "sleepdump", "restart-dump")
	if err := os.WriteFile(filepath.Join(f.layout.ResponseBin(), "noexec"), []byte("#!/bin/sh\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if r.conf == "absent" {
		if err := os.Remove(f.layout.ARConf()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// play compares what runs and what is logged with the recording.
func (r replay) play(f *fixture, s stage) {
	f.t.Helper()
	r.compare(f, r.perform(f, s))
}

// recorded is what a recording has: the programs that ran, and the log.
type recorded struct{ calls, logged []string }

// perform does what was done when the recording was made.
func (r replay) perform(f *fixture, s stage) recorded {
	f.t.Helper()
	s.begin()
	var has recorded
	last := 0.0
	for _, rec := range readCapture(f.t, r.capture) {
		if last != 0 && rec.T > last {
			s.pass(time.Duration((rec.T - last) * float64(time.Second)))
		}
		last = max(last, rec.T)
		switch {
		case rec.Mark == "daemon mode (no -f)":
			s.end()
			s.begin()
		case rec.Mark != "" && r.marks[rec.Mark] != nil:
			r.marks[rec.Mark](f)
		case rec.Sent != nil || rec.Text != "":
			data, err := base64.StdEncoding.DecodeString(rec.B64)
			if err != nil {
				f.t.Fatal(err)
			}
			s.send(string(data))
			s.settled()
		case rec.Ran != nil:
			argv := slices.Clone(rec.Ran.Argv)
			_, argv[0], _ = strings.Cut(argv[0], "/active-response/bin/")
			has.calls = append(has.calls, fmt.Sprintf("%q", argv))
		case rec.Log != "":
			has.logged = append(has.logged, rec.Log)
		}
	}
	s.end()
	return has
}

func (r replay) compare(f *fixture, has recorded) {
	f.t.Helper()
	r.compareCalls(f, has.calls)
	r.compareLogs(f, has.logged)
}

func (r replay) compareCalls(f *fixture, want []string) {
	f.t.Helper()
	want = append(want, calls(r.add...)...)
	for _, gone := range calls(r.drop...) {
		i := slices.Index(want, gone)
		if i < 0 {
			f.t.Fatalf("%s is not in the recording", gone)
		}
		want = slices.Delete(want, i, i+1)
	}
	got := f.runs()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("programs ran\n%s\nrecorded\n%s\nlog:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), f.log)
	}
}

func (r replay) compareLogs(f *fixture, recorded []string) {
	f.t.Helper()
	for _, message := range r.logs {
		n := 0
		for _, line := range recorded {
			if strings.Contains(line, message) {
				n++
			}
		}
		if got := f.log.count(message); got != n {
			f.t.Errorf("%q is said %d times, recorded %d\nlog:\n%s", message, got, n, f.log)
		}
	}
}

func conf(text string) func(*fixture) { return func(f *fixture) { f.arConf(text) } }

// arConfMarks are the changes to ar.conf in the recordings about it.
func arConfMarks() map[string]func(*fixture) {
	return map[string]func(*fixture){
		"ar.conf appears later":                                   conf("dump0 - ardump - 0\n"),
		"new entry appears later":                                 conf("dump0 - ardump - 0\nnew60 - ardump2 - 60\n"),
		"ar.conf with malformed lines":                            conf(badConf),
		"entry removed from the file: still known until a reload": conf("new60 - ardump2 - 60\n"),
	}
}

func seventyEntries() string {
	var b strings.Builder
	for i := range 70 {
		fmt.Fprintf(&b, "e%02d - ardump - 60\n", i)
	}
	return b.String()
}

func recordings(version string) []replay {
	const one = " - 1.1.1.1 1.1 1 x"
	list := []replay{
		{
			capture: "execd-basic", conf: stockConf,
			// The user tells two requests without address apart.
			add: []string{"ardump add alice - 1.9 100 x", "ardump delete alice - 1.9 100 x"},
			logs: []string{
				"(1311): ERROR: Invalid command name 'nosuch' provided.", "(1312): ERROR: Error executing",
				"/noexec': Permission denied", "(1314): INFO: Shutdown received. Deleting responses.",
			},
		},
		{capture: "execd-delete", conf: stockConf},
		{capture: "execd-repeat", conf: stockConf, ladder: []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}},
		// OSSEC dies of these two and undoes nothing.
		{
			capture: "execd-crash", conf: stockConf, add: []string{"ardump delete" + one},
			logs: []string{"ossec-execd: Invalid number of arguments."},
		},
		{capture: "execd-overflow", conf: seventyEntries(), add: []string{"ardump add" + one, "ardump delete" + one}},
		{
			capture: "execd-arconf", conf: "absent", marks: arConfMarks(),
			// A change is noticed at once, not at the next unknown name.
			drop: []string{"ardump add - 1.2.3.5 1.1 1 x"},
		},
		// What is not an address is refused.
		{capture: "execd-stale", conf: stockConf, drop: []string{"ardump add - 2.2.2.222222222222222222 aaa"}},
	}
	if version == "2.8.3" {
		list[4].add = nil // it survives there, with entries lost
		// It takes any character after the hyphen; 4.3.0 wants a blank, as we do.
		list[5].drop = append(list[5].drop, "ardump add"+one)
		list[6].drop = append(list[6].drop, "ardump add - 3.3.3.222222222222222222")
		list[6].add = []string{"ardump add - 3.3.3"}
	} else {
		for _, name := range []string{"nosuch", "name", "dump_lead", "", "space", "#", "onlyname"} {
			list[5].logs = append(list[5].logs, "(1311): ERROR: Invalid command name '"+name+"' provided.")
		}
	}
	return list
}

func TestRecordings(t *testing.T) {
	for _, version := range []string{"2.8.3", "4.3.0"} {
		for _, r := range recordings(version) {
			r.capture += "-" + version
			t.Run(r.capture, func(t *testing.T) {
				t.Parallel()
				r.run(t)
			})
		}
	}
}

// What a real manager and a real agent put on the socket reaches the program
// word for word.
func TestRecordedRequests(t *testing.T) {
	for _, name := range pairs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, pairConf)
			askRecorded(f, f, name)
		})
	}
}

func pairs() []string {
	return []string{"pair-agent-execq-2.8.3", "pair-agent-execq-4.3.0", "pair-server-execq-2.8.3", "pair-server-execq-4.3.0"}
}

const pairConf = "test-ip60 - ardump - 0\ntest-fim0 - ardump - 0\ntest-user0 - ardump - 0\nrestart-ossec0 - ardump - 0\n"

// askRecorded sends the recorded requests one by one and compares what runs.
func askRecorded(f *fixture, s stage, name string) {
	f.t.Helper()
	f.programs("ardump")
	s.begin()
	var want []string
	for _, rec := range readCapture(f.t, name) {
		if rec.Text == "" {
			continue
		}
		words := strings.Split(strings.TrimSuffix(rec.Text, "\x00"), " ")
		s.send(rec.Text)
		s.settled()
		if words[0] != "nosuchname" {
			want = append(want, strings.Join(append([]string{"ardump", "add"}, words[1:]...), " "))
		}
	}
	s.end()
	if got := f.runs(); len(want) == 0 || !slices.Equal(got, calls(want...)) {
		f.t.Errorf("programs ran\n%s\nrecorded\n%s", strings.Join(got, "\n"), strings.Join(calls(want...), "\n"))
	}
}
