// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFuzzedMessages sends what no manager would to a running execd, for a
// minute with HIDS_TEST_ALL=1. It does not crash, and each message that it does
// not carry out is one line of the log, whatever is in it.
func TestFuzzedMessages(t *testing.T) {
	budget := 3 * time.Second
	if fullSize() {
		budget = time.Minute
	}
	const conf = "a0 - quiet - 0\nb1 - quiet - 1\nuser0 - disable-account.sh - 0\nout0 - ../../evil - 0\nopen0 - open - 0\n" +
		"dump0 - quiet - 0\ndump60 - quiet - 1\nother60 - quiet - 1\nrestart-ossec0 - quiet - 0\ntest-ip60 - quiet - 0\n"
	a := startApart(t, conf, map[string]string{"quiet": "#!/bin/sh\n", "disable-account.sh": "#!/bin/sh\n", "open": "#!/bin/sh\n"})
	if err := os.Chmod(filepath.Join(a.layout.ResponseBin(), "open"), 0o777); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := a.dial()
	defer c.Close()
	f := fuzzer{rnd: rand.New(rand.NewPCG(seed, 0)), seeds: messageSeeds(t)}
	for end := time.Now().Add(budget); time.Now().Before(end); {
		a.push(c, f.message())
		if a.sent%1000 == 0 {
			a.calm()
		}
	}
	s := a.settled()
	a.end()
	t.Logf("%d messages: %+v", a.sent, s)
	if s.Accepted == 0 || s.Invalid == 0 || s.Refused == 0 {
		t.Errorf("%+v", s)
	}
	told := countLines(t, a.log())
	if want := s.Invalid + s.Refused + s.Overload + s.Failed; told != want {
		t.Errorf("%d lines tell of the %d that were not carried out", told, want)
	}
}

// push sends a message. With an empty one net.Conn does not wait for room.
func (a *apart) push(c net.Conn, message []byte) {
	a.t.Helper()
	_, err := c.Write(message)
	for ; errors.Is(err, syscall.EAGAIN); _, err = c.Write(message) {
		a.stats() // it has taken others by the time it answers
	}
	if err != nil {
		a.t.Fatalf("%d bytes: %v", len(message), err)
	}
	a.sent++
}

// calm waits until most of what was asked for has run.
func (a *apart) calm() {
	a.t.Helper()
	for end := time.Now().Add(ceiling); a.stats().Waiting > 500; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			a.t.Fatal("what waits does not get less")
		}
	}
}

// countLines counts the lines that tell of a message. There are no others but
// those of the start and the end.
func countLines(t *testing.T, log string) int64 {
	t.Helper()
	const stamp = `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ossec-execd`
	about := regexp.MustCompile(stamp + `(\(1310\): WARN: Invalid active response \(execd\) message '.*'\.|` +
		`\(1311\): ERROR: Invalid command name '.*' provided\.|` +
		`: Invalid number of arguments\.|` +
		`\(1312\): ERROR: Error executing '.*|: ERROR: response can't be run .*|: WARN: response failed .*|` +
		`: WARN: request refused response=.*)$`)
	other := regexp.MustCompile(stamp + `(\(1314\)|\(1225\)|\(13\d\d\): ERROR: Invalid active response config|: (INFO|WARN|ERROR): (ar\.conf|Active response command not present|active response program is refused|packet filter|never-block list|events were left out|response is not on this system))`)
	n := int64(0)
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case about.MatchString(line):
			n++
		case !other.MatchString(line):
			t.Errorf("a line that nobody expects: %q", line[:min(len(line), 300)])
		}
	}
	return n
}

// messageSeeds are messages from which others are made: those that managers and
// testers have sent to OSSEC's daemons, and Wazuh's.
func messageSeeds(t *testing.T) [][]byte {
	t.Helper()
	seeds := [][]byte{
		[]byte("a0 - 203.0.113.1 1.1 5 x\x00"), []byte("b1 - 2001:db8::7 1.1 5 x\x00"), []byte("user0 alice -\x00"),
		[]byte("out0 - 203.0.113.1\x00"), []byte("open0 - 203.0.113.1\x00"), []byte("a0 - 127.0.0.1 1.1 5\x00"), {},
		[]byte(wazuhRequest("a0", "203.0.113.7", "1.1")), []byte(wazuhRequest("!quiet", "203.0.113.7", "1.1")),
		[]byte("a0 - 203.0.113.1\n2026/11/21 22:48:20 ossec-execd: INFO: Started (pid: 1).\n"),
	}
	captures, err := filepath.Glob(filepath.Join("testdata", "captures", "*.jsonl"))
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	for _, path := range captures {
		for _, rec := range readCapture(t, strings.TrimSuffix(filepath.Base(path), ".jsonl")) {
			if data, err := base64.StdEncoding.DecodeString(rec.B64); err == nil && (rec.Sent != nil || rec.Text != "") {
				seeds = append(seeds, data)
			}
		}
	}
	return seeds
}

// fuzzer makes messages of others.
type fuzzer struct {
	rnd   *rand.Rand
	seeds [][]byte
}

// longest is about what a datagram socket takes by default.
const longest = 100 << 10

func (f fuzzer) message() []byte {
	m := append([]byte{}, f.seed()...)
	for range f.rnd.IntN(4) {
		m = f.mutate(m)
	}
	return m[:min(len(m), longest)]
}

func (f fuzzer) seed() []byte { return f.seeds[f.rnd.IntN(len(f.seeds))] }

func (f fuzzer) mutate(m []byte) []byte {
	at := f.rnd.IntN(len(m) + 1)
	switch f.rnd.IntN(7) {
	case 0: // other bytes
		for range 1 + f.rnd.IntN(8) {
			if len(m) > 0 {
				m[f.rnd.IntN(len(m))] = byte(f.rnd.Uint32())
			}
		}
	case 1: // cut
		m = m[:at]
	case 2: // more of the same
		m = append(m[:at:at], append(m[at/2:at:at], m[at:]...)...)
	case 3: // one message's head, another's tail
		other := f.seed()
		m = append(m[:at:at], other[f.rnd.IntN(len(other)+1):]...)
	case 4: // what means something to somebody
		special := []string{"\x00", "\n", "\r\n", " ", "  ", "-", "'", "\"", "%s%n", "\x1b[2J", "\xff\xfe", "../", "$(id)", "`id`", ";", "{", "}", "null", "0", "\u202e"}
		m = append(m[:at:at], append([]byte(special[f.rnd.IntN(len(special))]), m[at:]...)...)
	case 5: // noise
		noise := make([]byte, f.rnd.IntN(300))
		for i := range noise {
			noise[i] = byte(f.rnd.Uint32())
		}
		m = append(m[:at:at], append(noise, m[at:]...)...)
	case 6: // big
		if f.rnd.IntN(50) == 0 {
			m = append(m, []byte(strings.Repeat(string(m)+" x", 1+f.rnd.IntN(longest)/(len(m)+2)))...)
		}
	}
	return m
}
