// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"time"

	"hids/modules/syscheckd/scan"
)

// Totals is what differs, by kind.
type Totals struct {
	Added, Changed, Deleted, Moved int64
}

// Count adds a change.
func (t *Totals) Count(c *scan.Change) {
	switch c.Action {
	case scan.Created:
		t.Added++
	case scan.Deleted:
		t.Deleted++
	case scan.Moved:
		t.Moved++
	default:
		t.Changed++
	}
}

// Differences is the number of changes of all kinds.
func (t Totals) Differences() int64 { return t.Added + t.Changed + t.Deleted + t.Moved }

// Summary is the one line that ends a scan: files, bytes, time, rate, what
// differs, what could not be read.
func Summary(r *scan.Result, t Totals) string {
	return fmt.Sprintf("%s, %s in %s (%s): %s added, %s changed, %s deleted, %s moved, %s not readable",
		Files(r.Files), Size(r.Bytes), Elapsed(r.Elapsed), Rate(r.Bytes, r.Elapsed),
		Count(t.Added), Count(t.Changed), Count(t.Deleted), Count(t.Moved), Count(r.Unread))
}

// Files is a number of files in words.
func Files(n int64) string {
	if n == 1 {
		return "1 file"
	}
	return Count(n) + " files"
}

// Elapsed is a duration as people want it: "0.42 s", "1m12s".
func Elapsed(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Rate is bytes a second in words.
func Rate(bytes int64, d time.Duration) string {
	if d <= 0 {
		return Size(bytes) + "/s"
	}
	return Size(int64(float64(bytes)/d.Seconds())) + "/s"
}
