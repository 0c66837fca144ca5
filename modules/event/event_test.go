// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestSafeText(t *testing.T) {
	for text, want := range map[string]string{
		"/etc/passwd":        "/etc/passwd",
		"/home/añejo/日本":     "/home/añejo/日本",
		"new\nline\ttab":     `new\nline\ttab`,
		"\x1b[2J":            `\x1b[2J`,
		"bad\xff\xc3":        `bad\xff\xc3`,
		`back\slash`:         `back\\slash`,
		"right\u202eto left": `right\u202eto left`,
		"nul\x00":            `nul\x00`,
		"\ufffd":             "\ufffd",
		"it's \"quoted\"":    "it's \"quoted\"",
	} {
		if got := SafeText(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestJSON holds the shape that readers of the event log rely on.
func TestJSON(t *testing.T) {
	size := int64(0)
	e := Event{
		Time:    time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
		Message: "/etc/passwd was changed",
		Host:    Host{Name: "web1"},
		Event:   Meta{Module: "syscheck", Kind: "event", Action: "updated", Severity: 7},
		Rule:    &Rule{ID: "550", Level: 7},
		File:    &File{Path: "/etc/passwd", Size: &size, Hash: &Hash{MD5: "d41d8cd98f00b204e9800998ecf8427e"}},
	}
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"@timestamp":"2026-11-25T12:00:00Z","message":"/etc/passwd was changed","host":{"name":"web1"},` +
		`"event":{"module":"syscheck","kind":"event","action":"updated","severity":7},` +
		`"rule":{"id":"550","level":7},` +
		`"file":{"path":"/etc/passwd","size":0,"hash":{"md5":"d41d8cd98f00b204e9800998ecf8427e"}}}`
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// FuzzSafeText holds that the result prints on one line and tells which text it
// was made from.
func FuzzSafeText(f *testing.F) {
	for _, seed := range []string{"plain", "a\nb", `a\nb`, "\xff", `\xff`, "\u202e", "\x1b]0;x\a"} {
		f.Add(seed, "other")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := SafeText(a), SafeText(b)
		if !utf8.ValidString(x) || strings.ContainsFunc(x, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not safe: %q", a, x)
		}
		if a != b && x == y {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
	})
}
