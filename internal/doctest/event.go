// SPDX-License-Identifier: Apache-2.0

package doctest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// event holds that an event of the page is one that was printed or logged: the
// same fields, and the same values but for times, sums and numbers. A daemon
// logs some a moment after the command that asked for them.
func (m *Machine) event(b *Block) error {
	want, err := fields(b.Text)
	if err != nil {
		return fmt.Errorf("read the event: %w", err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		events := slices.Concat(m.events, logged())
		for _, line := range events {
			got, err := fields(line)
			if err != nil {
				return fmt.Errorf("read an event that was printed: %w", err)
			}
			if Same(want, got) {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("none of the %d events by now is this one:\n%s", len(events), strings.Join(events, "\n"))
		}
	}
}

func logged() []string {
	out, err := exec.Command("hids", "events", "--format", "json").Output()
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// fields makes a line of each field, in one order. A number that is measured
// may differ, so it stands for all.
func fields(text string) ([]string, error) {
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	indented, err := json.MarshalIndent(v, "", " ")
	return strings.Split(string(indented), "\n"), err
}
