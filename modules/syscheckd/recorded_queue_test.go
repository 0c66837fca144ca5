// SPDX-License-Identifier: Apache-2.0

//go:build linux

package syscheckd

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/internal/testenv"
	"hids/modules/syscheckd/wire"
)

// reader is OSSEC's queue, read by hand.
type reader struct {
	r    *rig
	conn *net.UnixConn
	had  map[string]bool // every message that came, here and at the readers before
}

func (r *rig) listen(had map[string]bool) *reader {
	r.t.Helper()
	return &reader{r, r.bindQueue(), had}
}

// close takes the socket away, and its name with it.
func (q *reader) close() {
	q.r.t.Helper()
	path := q.conn.LocalAddr().String()
	must(q.r.t, q.conn.Close())
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		q.r.t.Fatal(err)
	}
}

// read reads a message that did not come before: the last ones come again when a
// reader goes away at once.
func (q *reader) read() string {
	q.r.t.Helper()
	b := make([]byte, 8192)
	for {
		must(q.r.t, q.conn.SetReadDeadline(time.Now().Add(patience)))
		n, err := q.conn.Read(b)
		must(q.r.t, err)
		if text := string(b[:n]); !q.had[text] {
			q.had[text] = true
			return strings.TrimSuffix(text, "\x00")
		}
	}
}

// message reads one. It names the file, with size and mode: the recording's texts
// are not known.
func (q *reader) message() string {
	q.r.t.Helper()
	return outline(q.read())
}

func outline(message string) string {
	m, ok := parseTold(message, "/tree/")
	if !ok {
		return message
	}
	fields := strings.SplitN(m.text, ":", 5)
	return m.name + " " + strings.Join(fields[:min(4, len(fields))], ":")
}

// TestRecordedQueue takes the queue away, brings it back, and stops reading, as
// was done to OSSEC: what was recorded comes, in the recorded order. OSSEC told
// nothing more once nobody read; hids tells when somebody does.
func TestRecordedQueue(t *testing.T) {
	testenv.Root(t)
	for recording, fields := range map[string]int{"queue-2.8.3": 6, "queue-4.3.0": 7} {
		t.Run(recording, func(t *testing.T) {
			r := newRig(t)
			r.conf.Syscheck.SumFields = fields
			for i := range 40 {
				r.write(fmt.Sprintf("f%02d", i), fmt.Sprintf("x%d\n", i))
			}
			steps := recordedSteps(t, "wire/testdata/syscheck-"+recording+".jsonl", "/t/")
			if len(steps) != 5 || len(steps[0].told) != 40 {
				t.Fatalf("%d steps are recorded", len(steps))
			}
			q := r.listen(map[string]bool{})
			r.start()
			r.compareStart(q, steps[0])

			q.close()
			r.write("f00", "change 1")
			r.settled()
			q = r.listen(q.had)
			r.comes(q, steps[2])
			r.write("f01", "change 2")
			r.comes(q, steps[3])

			for i := range 30 {
				r.write(fmt.Sprintf("f%02d", i+10), "change 3")
				r.settled()
			}
			for i := range 30 {
				if got, want := q.message(), fmt.Sprintf("f%02d 8:33188:0:0", i+10); got != want {
					t.Errorf("came %q, not %q", got, want)
				}
			}
		})
	}
}

// compareStart compares what the first scan tells, sums and all.
func (r *rig) compareStart(q *reader, start recordedStep) {
	r.t.Helper()
	want := byName(start.told)
	got := map[string][]string{}
	for {
		text := q.read()
		if m, ok := parseTold(text, "/tree/"); ok {
			got[m.name] = append(got[m.name], m.text)
		}
		if text == wire.Completed {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("at the start (-OSSEC +hids):\n%s", diff)
	}
}

// comes wants what is recorded of a step, and in its order.
func (r *rig) comes(q *reader, step recordedStep) {
	r.t.Helper()
	if len(step.told) == 0 {
		r.t.Errorf("nothing is recorded of %q", step.mark)
	}
	for _, m := range step.told {
		want := m.name + " " + strings.Join(strings.SplitN(m.text, ":", 5)[:4], ":")
		if got := q.message(); got != want {
			r.t.Errorf("%s: came %q, not %q", step.mark, got, want)
		}
	}
}

// TestRecordedMD5Only watches with check_md5sum alone, then everything without a
// scan at the start, as was recorded. 2.8.3 tells the unchanged file again, with
// the sum that it left out before.
func TestRecordedMD5Only(t *testing.T) {
	testenv.Root(t)
	for recording, fields := range map[string]int{"md5only-2.8.3": 6, "md5only-4.3.0": 7} {
		t.Run(recording, func(t *testing.T) {
			steps := recordedSteps(t, "wire/testdata/syscheck-"+recording+".jsonl", "/t/")
			r := newRig(t)
			r.conf.Syscheck.SumFields = fields
			r.conf.Syscheck.Directories[0].Realtime = false
			r.conf.Syscheck.Directories[0].Checks = config.CheckMD5 | config.CheckSHA256 // what check_md5sum="yes" comes to
			r.write("f", "x\n")
			messages := r.agentd()
			r.start()
			r.hearsOnly(messages, steps[0])
			r.scan()
			r.hearsOnly(messages, recordedStep{mark: steps[1].mark})

			r = newRig(t)
			r.conf.Syscheck.SumFields, r.conf.Syscheck.ScanOnStart = fields, false
			r.write("f", "x\n")
			messages = r.agentd()
			r.start()
			r.scan()
			r.hearsOnly(messages, steps[3])
		})
	}
}

// hearsOnly wants a scan to tell what is recorded, and nothing else.
func (r *rig) hearsOnly(messages <-chan string, step recordedStep) {
	r.t.Helper()
	want := map[string]string{}
	for _, m := range step.told {
		want[m.name] = m.text
	}
	if diff := cmp.Diff(want, r.heard(messages)); diff != "" {
		r.t.Errorf("%s (-OSSEC +hids):\n%s", step.mark, diff)
	}
}
