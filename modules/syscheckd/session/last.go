// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"hids/modules/syscheckd/scan"
	"hids/platform/paths"
)

// LastScan is what is remembered of the last scan of everything that is
// watched: for a progress bar, which needs to know how much there is, and for
// status.
type LastScan struct {
	Ended   time.Time     `json:"ended"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Files   int64         `json:"files"`
	Bytes   int64         `json:"bytes"`
	Unread  int64         `json:"not_readable"`
}

func lastScanFile(l paths.Layout) string {
	return filepath.Join(l.State("syscheckd"), "last-scan.json")
}

// ReadLastScan returns the zero LastScan if there was none.
func ReadLastScan(l paths.Layout) LastScan {
	var last LastScan
	data, err := os.ReadFile(lastScanFile(l))
	if err != nil || json.Unmarshal(data, &last) != nil {
		return LastScan{}
	}
	return last
}

// writeLastScan replaces the file whole. It need not last through a power
// failure: the next scan writes it again.
func writeLastScan(l paths.Layout, r *scan.Result) error {
	data, err := json.Marshal(LastScan{time.Now().UTC(), r.Elapsed, r.Files, r.Bytes, r.Unread})
	if err != nil {
		return err
	}
	name := lastScanFile(l)
	if err := os.WriteFile(name+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Expected is how many files a scan will inspect, 0 if nobody knows.
func (s *Session) Expected(paths []string) int64 {
	if len(paths) > 0 {
		return 0
	}
	return ReadLastScan(s.opts.Layout).Files
}
