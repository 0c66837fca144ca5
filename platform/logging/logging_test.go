// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	at := time.Date(2026, 11, 21, 22, 48, 20, 0, time.Local)
	const stamp = "2026/11/21 22:48:20 "
	tests := []struct {
		name  string
		level slog.Level
		msg   string
		attrs []slog.Attr
		want  string
	}{
		{"unnumbered", slog.LevelInfo, "Started (pid: 1561).", nil, "ossec-execd: INFO: Started (pid: 1561)."},
		{"numbered", slog.LevelError, "Invalid command name 'x' provided.", []slog.Attr{ID(1311)},
			"ossec-execd(1311): ERROR: Invalid command name 'x' provided."},
		{"numbered drops attributes", slog.LevelWarn, "text", []slog.Attr{ID(1310), slog.Int("n", 1)}, "ossec-execd(1310): WARN: text"},
		{"no level", slog.LevelError, "Invalid number of arguments.", []slog.Attr{Plain()}, "ossec-execd: Invalid number of arguments."},
		{"attributes", slog.LevelWarn, "slow", []slog.Attr{slog.String("path", "/a b"), slog.Any("err", errors.New("gone")), slog.Group("g", slog.Int("n", 2))},
			`ossec-execd: WARN: slow path="/a b" err=gone g.n=2`},
		{"a message can't start a line", slog.LevelInfo, "a\n2026/01/01 ossec-execd: ERROR: b\x1b[2J\xff", []slog.Attr{ID(1)},
			`ossec-execd(1): INFO: a\n2026/01/01 ossec-execd: ERROR: b\x1b[2J\xff`},
		{"nor can a value", slog.LevelInfo, "a", []slog.Attr{slog.String("k", "x\ny")}, `ossec-execd: INFO: a k="x\ny"`},
		{"backslashes stay", slog.LevelInfo, `C:\x`, nil, `ossec-execd: INFO: C:\x`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			h := NewHandler(&b, Options{Name: "ossec-execd"})
			r := slog.NewRecord(at, tt.level, tt.msg, 0)
			r.AddAttrs(tt.attrs...)
			if err := h.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(stamp+tt.want+"\n", b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLevelAndWith(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, Options{Name: "x"})).With("a", 1).WithGroup("g").With("b", 2)
	log.Debug("not logged")
	log.Info("logged", "c", 3)
	if got := b.String(); !strings.HasSuffix(got, " x: INFO: logged a=1 g.b=2 g.c=3\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	slog.New(New(&b, JSON, Options{Name: "hids-execd"})).Error("text", ID(1311))
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["process"] != "hids-execd" || got[KeyID] != 1311.0 || got["msg"] != "text" {
		t.Errorf("got %v", got)
	}
}

// A log that logrotate renamed is left alone, and the next line makes a new one.
func TestFileIsReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ossec.log")
	f := File{path}
	write(t, f, "one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two\n")
	write(t, f, "three\n")
	wantFile(t, path+".1", "one\n")
	wantFile(t, path, "two\nthree\n")
}

func TestFileRefusesLink(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "shadow"), filepath.Join(dir, "ossec.log")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if _, err := (File{path}).Write([]byte("x\n")); err == nil {
		t.Error("a symbolic link was followed")
	}
	wantFile(t, target, "")
}

func TestOutputDetach(t *testing.T) {
	var file, term bytes.Buffer
	o := NewOutput(&file, &term)
	write(t, o, "a\n")
	o.Detach()
	write(t, o, "b\n")
	if file.String() != "a\nb\n" || term.String() != "a\n" {
		t.Errorf("file %q, terminal %q", file.String(), term.String())
	}
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s has %q, want %q", filepath.Base(path), got, want)
	}
}
