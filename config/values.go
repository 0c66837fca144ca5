// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"strconv"
	"strings"
	"time"

	"hids/config/xmlconf"
)

// value is the text of an element without the blanks around it. OSSEC keeps
// them; no value that hids reads begins or ends with one on purpose.
func value(n *xmlconf.Node) string { return strings.TrimSpace(n.Text) }

// flag sets target from exactly yes or no, as OSSEC has it.
func (l *loader) flag(target *bool) handler {
	return func(n *xmlconf.Node) {
		if b, ok := l.yesNo(n.Name, value(n), n.PosAt(0)); ok {
			*target = b
			l.origin(n)
		}
	}
}

func (l *loader) yesNo(name, text string, pos Pos) (yes, ok bool) {
	switch text {
	case "yes":
		return true, true
	case "no":
		return false, true
	}
	l.bad(pos, "write yes or no", "%s is %.60q", name, text)
	return false, false
}

// number reads digits only, at most most.
func number(s string, most int64) (int64, bool) {
	if s == "" {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), math.MaxInt64/16)
	}
	return n, n <= most
}

// count sets target from a whole number between least and most.
func (l *loader) count(target *int, least, most int) handler {
	return func(n *xmlconf.Node) {
		v, ok := number(value(n), int64(most))
		if !ok || int(v) < least {
			l.bad(n.PosAt(0), "write "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%s is %.60q", n.Name, value(n))
			return
		}
		*target = int(v)
		l.origin(n)
	}
}

// text sets target from any text that is not empty.
func (l *loader) text(target *string) handler {
	return func(n *xmlconf.Node) {
		if value(n) == "" {
			l.bad(n.Pos, "take it out, or fill it", "<%s> is empty", n.Name)
			return
		}
		*target = value(n)
		l.origin(n)
	}
}

// texts appends text that is not empty.
func (l *loader) texts(target *[]string) handler {
	return func(n *xmlconf.Node) {
		var s string
		l.text(&s)(n)
		if s != "" {
			*target = append(*target, s)
		}
	}
}

// size sets target from a size: a number with B, KB, MB, GB or nothing behind
// it. 1 KB is 1,024 bytes, as in Wazuh.
func (l *loader) size(target *int64) handler {
	return func(n *xmlconf.Node) {
		size, ok := parseSize(value(n))
		if !ok {
			l.bad(n.PosAt(0), "write a number and a unit, as 50MB", "%s is %.60q", n.Name, value(n))
			return
		}
		*target = size
		l.origin(n)
	}
}

func parseSize(s string) (int64, bool) {
	units := strings.TrimLeft(s, "0123456789")
	n, ok := number(s[:len(s)-len(units)], 1<<40)
	shift, known := map[string]int{
		"": 0, "B": 0, "K": 10, "KB": 10, "M": 20, "MB": 20, "G": 30, "GB": 30,
	}[strings.ToUpper(strings.TrimSpace(units))]
	if !ok || !known || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// maxPeriod keeps periods within time.Duration: ten years.
const maxPeriod = 10 * 365 * 24 * time.Hour

// duration sets target from a number with s, m, h or d behind it, or from
// seconds.
func (l *loader) duration(target *time.Duration, least time.Duration) handler {
	return func(n *xmlconf.Node) {
		d, ok := parseDuration(value(n))
		if !ok || d < least {
			l.bad(n.PosAt(0), "write a number and a unit, as 90s, 10m, 24h or 7d; at least "+least.String(),
				"%s is %.60q", n.Name, value(n))
			return
		}
		*target = d
		l.origin(n)
	}
}

func parseDuration(s string) (time.Duration, bool) {
	unit := time.Second
	if s != "" {
		if u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[s[len(s)-1]]; ok {
			unit, s = u, s[:len(s)-1]
		}
	}
	n, ok := number(s, int64(maxPeriod/unit))
	return time.Duration(n) * unit, ok
}

// seconds sets a period as OSSEC writes it: digits. OSSEC takes an empty or
// zero one for "again at once", which its loop turned into five minutes.
func (l *loader) seconds(target *time.Duration) handler {
	return func(n *xmlconf.Node) {
		text := value(n)
		s, digits := number(text, math.MaxInt64)
		switch {
		case !digits && text != "":
			l.bad(n.PosAt(0), "write seconds in digits", "%s is %.60q", n.Name, text)
			return
		case s == 0:
			l.warn(n.PosAt(0), "write seconds in digits", "%s is %.60q and taken for %v", n.Name, text, leastPeriod)
			*target = leastPeriod
		default:
			*target = min(time.Duration(min(s, int64(maxPeriod/time.Second)))*time.Second, maxPeriod)
		}
		l.origin(n)
	}
}

// leastPeriod is SYSCHECK_WAIT, the pause of OSSEC's main loop.
const leastPeriod = 300 * time.Second

// piece is one entry of a comma list.
type piece struct {
	text string
	pos  Pos
}

// list splits at commas. Blanks, tabs and newlines around an entry go, empty
// entries too; there is no limit on their number. (OSSEC keeps newlines, and
// everything behind the 64th comma in one entry.)
func list(n *xmlconf.Node) []piece {
	var pieces []piece
	at := 0
	for part := range strings.SplitSeq(n.Text, ",") {
		text := strings.TrimSpace(part)
		if text != "" {
			pieces = append(pieces, piece{text, n.PosAt(at + strings.Index(part, text))})
		}
		at += len(part) + 1
	}
	return pieces
}
