// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"time"

	"hids/config/xmlconf"
)

func (l *loader) scanTime(n *xmlconf.Node) {
	t, ok := parseClock(value(n))
	if !ok {
		l.bad(n.PosAt(0), "write one time, as 21:30, 9pm or 8:30 am", "scan_time is %.60q", value(n))
		return
	}
	l.cfg.Syscheck.ScanTime = t
	l.origin(n)
}

// parseClock reads H, HH, H:MM or HH:MM with an optional am or pm. 12am is
// midnight and 12pm noon: OSSEC takes both for noon. OSSEC also takes minutes
// over 59, a time that never comes.
func parseClock(s string) (ClockTime, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	digits, half := s, ""
	for _, suffix := range []string{"am", "pm"} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, half = strings.TrimSpace(rest), suffix
		}
	}
	hours, minutes, colon := strings.Cut(digits, ":")
	hour, ok := number(hours, 23)
	minute := int64(0)
	if colon {
		var ok2 bool
		minute, ok2 = number(minutes, 59)
		ok = ok && ok2 && len(minutes) == 2
	}
	if !ok || len(hours) > 2 {
		return ClockTime{}, false
	}
	switch {
	case half == "am" && hour == 12:
		hour = 0
	case half == "pm" && hour < 12:
		hour += 12
	case half != "" && hour > 12:
		return ClockTime{}, false
	}
	return ClockTime{Set: true, Hour: int(hour), Minute: int(minute)}, true
}

func (l *loader) scanDay(n *xmlconf.Node) {
	days, wrong := parseDays(value(n))
	if wrong != "" || len(days) == 0 {
		l.bad(n.PosAt(0), "write days, as monday,friday or weekdays; !sunday is every other day",
			"scan_day is %.60q: %.60q is no day", value(n), wrong)
		return
	}
	l.cfg.Syscheck.ScanDays = days
	l.origin(n)
}

var dayNames = map[string][]time.Weekday{
	"sunday": {0}, "sun": {0}, "monday": {1}, "mon": {1}, "tuesday": {2}, "tue": {2},
	"wednesday": {3}, "wed": {3}, "thursday": {4}, "thu": {4}, "friday": {5}, "fri": {5},
	"saturday": {6}, "sat": {6}, "weekdays": {1, 2, 3, 4, 5}, "weekends": {0, 6},
}

// parseDays reads days between blanks and commas. A ! in front of the list
// turns it round, which OSSEC meant to do and never did. It returns the word
// that is no day.
func parseDays(s string) (days []time.Weekday, wrong string) {
	s = strings.ToLower(strings.TrimSpace(s))
	s, not := strings.CutPrefix(s, "!")
	var chosen [7]bool
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' || r == '\r' }) {
		if not {
			word = strings.TrimPrefix(word, "!")
		}
		list, ok := dayNames[word]
		if !ok {
			return nil, word
		}
		for _, d := range list {
			chosen[d] = true
		}
	}
	for d, c := range chosen {
		if c != not {
			days = append(days, time.Weekday(d))
		}
	}
	return days, ""
}
