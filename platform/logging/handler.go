// SPDX-License-Identifier: Apache-2.0

// Package logging writes operator messages: the line form of OSSEC's ossec.log
// (NewHandler), the same as JSON (New), and the file they go to (File). Which
// messages there are is the business of whoever logs; findings are not logged
// here, they are events.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// The keys that steer the line form and are not printed by it.
const (
	KeyID    = "ossec_id"    // int: OSSEC's message number
	KeyPlain = "ossec_plain" // bool true: OSSEC prints this message without a level
)

// ID numbers a message as OSSEC does: "name(1311): ERROR: text". The text of a
// numbered message is what other software matches on, so no attribute is
// appended to it.
func ID(n int) slog.Attr { return slog.Int(KeyID, n) }

// Plain leaves the level out: "name: text", as a few of OSSEC's messages are.
func Plain() slog.Attr { return slog.Bool(KeyPlain, true) }

// Format is a form of the log.
type Format string

// The forms: OSSEC's lines, and one JSON object a line.
const (
	Lines Format = "text"
	JSON  Format = "json"
)

// Options are what every line of one process shares.
type Options struct {
	Name  string       // the process, "ossec-execd"
	Level slog.Leveler // the least that is logged; nil: Info
}

// New returns a handler that writes to w in the given form. Every record is
// one call of w.Write.
func New(w io.Writer, format Format, o Options) slog.Handler {
	if format == JSON {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level}).
			WithAttrs([]slog.Attr{slog.String("process", o.Name)})
	}
	return NewHandler(w, o)
}

// NewHandler returns a handler for lines of ossec.log, in local time:
//
//	2026/11/21 22:48:20 ossec-execd(1311): ERROR: Invalid command name 'x' provided.
//	2026/11/21 22:48:20 ossec-execd: INFO: response done name=host-deny0 took=1.2s
func NewHandler(w io.Writer, o Options) slog.Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return &handler{o: o, out: &lockedWriter{w: w}}
}

type lockedWriter struct {
	mu sync.Mutex // guards w: one line at a time
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

type handler struct {
	o     Options
	out   io.Writer
	group string // prefix of the keys, "a.b."
	fixed marks  // of WithAttrs
}

// marks is what a list of attributes comes to.
type marks struct {
	id    int64
	plain bool
	text  string // " key=value" each
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.o.Level.Level()
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.group += name + "."
	}
	return &c
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	for _, a := range as {
		c.fixed.add(h.group, a)
	}
	return &c
}

// Handle writes one line.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	m := h.fixed
	r.Attrs(func(a slog.Attr) bool {
		m.add(h.group, a)
		return true
	})
	_, err := io.WriteString(h.out, h.line(r, m))
	return err
}

func (h *handler) line(r slog.Record, m marks) string {
	var b strings.Builder
	t := r.Time
	if t.IsZero() {
		t = time.Now()
	}
	b.WriteString(t.Local().Format("2006/01/02 15:04:05 "))
	b.WriteString(h.o.Name)
	if m.id != 0 {
		fmt.Fprintf(&b, "(%d)", m.id)
	}
	b.WriteString(": ")
	if !m.plain {
		b.WriteString(levelName(r.Level))
		b.WriteString(": ")
	}
	b.WriteString(oneLine(r.Message))
	if m.id == 0 && !m.plain {
		b.WriteString(m.text)
	}
	b.WriteByte('\n')
	return b.String()
}

func (m *marks) add(group string, a slog.Attr) {
	a.Value = a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
	case a.Key == KeyID && a.Value.Kind() == slog.KindInt64:
		m.id = a.Value.Int64()
	case a.Key == KeyPlain && a.Value.Kind() == slog.KindBool:
		m.plain = a.Value.Bool()
	case a.Value.Kind() == slog.KindGroup:
		m.addGroup(group, a)
	default:
		m.text += " " + group + a.Key + "=" + quote(a.Value.String())
	}
}

func (m *marks) addGroup(group string, a slog.Attr) {
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, x := range a.Value.Group() {
		m.add(group, x)
	}
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARN"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}

// quote makes a value one word.
func quote(s string) string {
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// oneLine keeps text from outside from starting a line of its own or driving a
// terminal. What is printable stays byte for byte, the backslash too: OSSEC's
// messages must.
func oneLine(s string) string {
	clean := true
	for _, r := range s {
		clean = clean && r != utf8.RuneError && unicode.IsPrint(r)
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b.WriteString(s[:n])
		} else {
			q := strconv.Quote(s[:n])
			b.WriteString(q[1 : len(q)-1])
		}
		s = s[n:]
	}
	return b.String()
}
