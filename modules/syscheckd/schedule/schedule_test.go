// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"testing"
	"time"
	_ "time/tzdata" // the test's zone, wherever it runs

	"hids/config"
)

func berlin(t *testing.T, s string) time.Time {
	t.Helper()
	place, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", s, place)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestNext(t *testing.T) {
	at := func(h, m int) config.ClockTime { return config.ClockTime{Set: true, Hour: h, Minute: m} }
	every := Plan{Frequency: 2 * time.Hour}
	night := Plan{Frequency: time.Hour, At: at(2, 30)}
	late := Plan{Frequency: time.Hour, At: at(23, 59)}
	monday := Plan{Frequency: time.Hour, Days: []time.Weekday{time.Monday}}
	weekend := Plan{Frequency: time.Hour, At: at(4, 0), Days: []time.Weekday{time.Saturday, time.Sunday}}
	for _, c := range []struct {
		name            string
		plan            Plan
		last, now, want string
	}{
		{"frequency", every, "2026-11-25 10:00", "2026-11-25 10:30", "2026-11-25 12:00"},
		{"overdue", every, "2026-11-20 10:00", "2026-11-25 10:30", "2026-11-20 12:00"},
		{"clock set back an hour", every, "2026-11-25 10:00", "2026-11-25 09:00", "2026-11-25 11:00"},
		{"time today", night, "2026-11-24 02:30", "2026-11-25 01:00", "2026-11-25 02:30"},
		{"time today is done", night, "2026-11-25 02:31", "2026-11-25 09:00", "2026-11-26 02:30"},
		{"machine was off", night, "2026-11-24 02:30", "2026-11-25 09:00", "2026-11-25 02:30"},
		{"machine was off for a week", night, "2026-11-17 02:30", "2026-11-25 09:00", "2026-11-18 02:30"},
		{"a minute before midnight", late, "2026-11-24 23:59", "2026-11-25 12:00", "2026-11-25 23:59"},
		{"first start, already past", night, "", "2026-11-25 09:00", "2026-11-26 02:30"},
		{"first start, still to come", night, "", "2026-11-25 01:00", "2026-11-25 02:30"},
		{"spring, 02:30 is missing", night, "2026-03-28 02:30", "2026-03-29 01:00", "2026-03-29 03:30"},
		{"autumn, the second 02:30", night, "2026-10-25 02:31", "2026-10-25 02:45", "2026-10-26 02:30"},
		{"clock set back over the time", night, "2026-11-25 02:31", "2026-11-25 02:00", "2026-11-26 02:30"},
		{"last lies far in the future", night, "2031-01-01 02:30", "2026-11-25 02:00", "2026-11-25 02:30"},
		{"day only", monday, "2026-11-25 10:00", "2026-11-25 10:01", "2026-11-30 00:00"},
		{"days and time", weekend, "2026-11-28 04:00", "2026-11-28 12:00", "2026-11-29 04:00"},
		{"next weekend", weekend, "2026-11-29 04:00", "2026-11-29 12:00", "2026-12-05 04:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last time.Time
			if c.last != "" {
				last = berlin(t, c.last)
			}
			if got, want := c.plan.Next(last, berlin(t, c.now)), berlin(t, c.want); !got.Equal(want) {
				t.Errorf("next is %v, want %v", got, want)
			}
		})
	}
}

// TestEveryDayOnce walks through ten years by the hour and counts the scans.
func TestEveryDayOnce(t *testing.T) {
	plan := Plan{Frequency: time.Hour, At: config.ClockTime{Set: true, Hour: 2, Minute: 30}}
	now := berlin(t, "2026-01-01 00:00")
	last, scans := now, 0
	end := now.AddDate(10, 0, 0)
	for ; now.Before(end); now = now.Add(time.Hour) {
		if !plan.Next(last, now).After(now) {
			last = now
			scans++
		}
	}
	if want := 3652; scans != want {
		t.Errorf("%d scans in ten years, want %d", scans, want)
	}
}
