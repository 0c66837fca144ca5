// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hids/config"
	"hids/platform/paths"
)

// TestTodaysScanSurvivesRestart: a daemon that is started again after the day's
// scan waits for tomorrow's, and one that never scanned does not make up for
// what was before it.
func TestTodaysScanSurvivesRestart(t *testing.T) {
	r := newRig(t, "a")
	r.conf.Syscheck.ScanOnStart = false
	r.conf.Syscheck.ScanTime = config.ClockTime{Set: true} // midnight: past, whenever this runs
	tomorrow := func() time.Time {
		y, m, d := time.Now().Date()
		return time.Date(y, m, d+1, 0, 0, 0, 0, time.Local)
	}
	r.start()
	if got, want := r.daemon.now().Next, tomorrow(); !got.Equal(want) {
		t.Errorf("never scanned: the next scan is at %v, want %v", got, want)
	}
	r.scan()
	must(t, r.stop())
	r.start()
	if got, want := r.daemon.now().Next, tomorrow(); !got.Equal(want) {
		t.Errorf("scanned today: the next scan is at %v, want %v", got, want)
	}
	if last := r.daemon.now().LastScan; last.Ended.IsZero() || r.daemon.lastBegan().After(last.Ended) {
		t.Errorf("the last scan began at %v and ended at %v", r.daemon.lastBegan(), last.Ended)
	}
	must(t, r.stop())
	// One that was last scanned the day before yesterday is due at once.
	last := r.daemon.now().LastScan
	last.Ended = last.Ended.AddDate(0, 0, -2)
	data, err := json.Marshal(last)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(paths.Layout{Home: r.home}.State("syscheckd"), "last-scan.json"), data, 0o600))
	r.start()
	r.await("the scan that was missed", func() bool { return r.daemon.now().LastScan.Ended.After(last.Ended) })
}
