// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"slices"
	"time"

	"hids/config"
)

const (
	// settle is how long after the start the first scan waits: the machine may
	// be booting. OSSEC waits 10 and 15 times syscheck.sleep, 50 s by default.
	settle = 50 * time.Second
	// weekly replaces the frequency when syscheck has a time or day of the week
	// to scan at, as in OSSEC.
	weekly = 7 * 24 * time.Hour
	// pause is the least time from one scan to the next. OSSEC has none.
	pause = 5 * time.Minute
	// glance bounds a sleep, so that a clock that is set is noticed.
	glance = time.Minute
)

// nextScan says when the next scan is due. last is the start of the last one,
// zero if there was none since start.
func nextScan(cfg *config.Config, start, last time.Time) time.Time {
	fixed := cfg.Syscheck.ScanTime.Set || len(cfg.Syscheck.ScanDays) > 0
	frequency := max(cfg.Rootcheck.Frequency, pause)
	if fixed {
		frequency = weekly
	}
	if last.IsZero() && cfg.Syscheck.ScanOnStart {
		return start.Add(settle)
	}
	from := last
	if last.IsZero() {
		from = start
	}
	due := from.Add(frequency)
	if fixed {
		if at := nextAt(from, cfg.Syscheck.ScanTime, cfg.Syscheck.ScanDays); at.Before(due) {
			return at
		}
	}
	return due
}

// nextAt is the first time after t that a clock and a list of weekdays allow;
// no days: every day, no clock: midnight.
func nextAt(t time.Time, clock config.ClockTime, days []time.Weekday) time.Time {
	for ahead := range 9 {
		at := time.Date(t.Year(), t.Month(), t.Day()+ahead, clock.Hour, clock.Minute, 0, 0, t.Location())
		if at.After(t) && (len(days) == 0 || slices.Contains(days, at.Weekday())) {
			return at
		}
	}
	return t.Add(weekly)
}
