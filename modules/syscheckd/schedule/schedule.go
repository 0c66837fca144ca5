// SPDX-License-Identifier: Apache-2.0

// Package schedule says when the next scan of everything is due. It computes
// with the times it is given and looks at no clock; waiting, and remembering
// when the last scan was, is the daemon's business.
package schedule

import (
	"slices"
	"time"

	"hids/config"
)

// Plan is when scans are wanted. With a time of day or days of the week there
// is one scan on each such day, at the time or when the day begins, and the
// frequency counts no more; OSSEC does the same. Otherwise a scan is due one
// frequency after the last began.
type Plan struct {
	Frequency time.Duration // at least a second
	At        config.ClockTime
	Days      []time.Weekday // none: every day
}

// New takes the plan from the configuration.
func New(c *config.Syscheck) Plan {
	return Plan{max(c.Frequency, time.Second), c.ScanTime, c.ScanDays}
}

// daily tells whether the plan names days or times.
func (p Plan) daily() bool { return p.At.Set || len(p.Days) > 0 }

// Next returns when the scan after the one that began at last is due, in the
// place and zone of now; a time that is not after now means that it is due.
// A zero last means that there was none: what is already past today is then
// left for the next day, as in OSSEC.
//
// A day's scan happens once: neither the second 02:30 of the night in which
// clocks go back nor a clock set back by less than a day repeats it, and where
// 02:30 does not exist it is due at 03:30. A day that was missed because the
// machine was off is made up for, once.
func (p Plan) Next(last, now time.Time) time.Time {
	if last.IsZero() || last.After(now.Add(24*time.Hour)) {
		last = now
	}
	if p.daily() {
		return p.slotAfter(last, now.Location())
	}
	// A clock that was set back must not hold the next scan up.
	if last.After(now) {
		last = now
	}
	return last.Add(p.Frequency)
}

// slotAfter returns the first planned time after t.
func (p Plan) slotAfter(t time.Time, place *time.Location) time.Time {
	t = t.In(place)
	for day := 0; ; day++ {
		slot := time.Date(t.Year(), t.Month(), t.Day()+day, p.At.Hour, p.At.Minute, 0, 0, place)
		if slot.After(t) && (len(p.Days) == 0 || slices.Contains(p.Days, slot.Weekday())) {
			return slot
		}
	}
}
