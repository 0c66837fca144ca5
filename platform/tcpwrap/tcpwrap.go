// SPDX-License-Identifier: Apache-2.0

// Package tcpwrap denies addresses in the access file of TCP wrappers,
// hosts_access(5). The file is the admin's: only lines of exactly our form are
// added or removed, and the file is replaced whole, never cut short.
package tcpwrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"hids/platform/datasync"
	"hids/platform/lockfile"
	"hids/platform/paths"
)

// maxSize is the largest file that is edited, in bytes. It is read whole.
const maxSize = 16 << 20

// style is how a system writes a denial.
type style struct {
	path  string // of the host
	line  func(client string) string
	first bool // the first line that matches decides, so ours come first
}

// common is what hosts_access(5) says: hosts.deny is looked at last.
func common() style {
	return style{path: "/etc/hosts.deny", line: func(client string) string { return "ALL:" + client }}
}

// freeBSD has one file for both, which ends with a line that allows all.
func freeBSD() style {
	return style{path: "/etc/hosts.allow", first: true,
		line: func(client string) string { return "ALL : " + client + " : deny" }}
}

// Table is a host's access file.
type Table struct {
	style style
	path  string
	lock  string
}

// Open returns the access file of a host. lock is a file by which processes
// take turns. Nothing is read yet.
func Open(host paths.Host, lock string) *Table {
	return &Table{style: hostStyle(), path: host.Path(hostStyle().path), lock: lock}
}

// Deny adds the line that denies an address everything, unless it is there.
func (t *Table) Deny(ctx context.Context, addr netip.Addr) error {
	return t.edit(ctx, func(text []byte) []byte { return t.style.add(text, t.style.line(client(addr))) })
}

// Allow removes every line that Deny, or OSSEC's host-deny.sh, has written for
// an address.
func (t *Table) Allow(ctx context.Context, addr netip.Addr) error {
	return t.edit(ctx, func(text []byte) []byte { return remove(text, t.style.line(client(addr))) })
}

// client is how the file names an address.
func client(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

func (s style) add(text []byte, line string) []byte {
	for have := range bytes.Lines(text) {
		if strings.TrimSpace(string(have)) == line {
			return text
		}
	}
	if s.first {
		return append([]byte(line+"\n"), text...)
	}
	text = bytes.Clone(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	if bytes.HasSuffix(text, []byte("\\\n")) {
		text = append(text, '\n') // the last line goes on: end it before ours
	}
	return append(text, line+"\n"...)
}

func remove(text []byte, line string) []byte {
	kept := make([]byte, 0, len(text))
	for have := range bytes.Lines(text) {
		if strings.TrimSpace(string(have)) != line {
			kept = append(kept, have...)
		}
	}
	return kept
}

// edit replaces the file by what change makes of it.
func (t *Table) edit(ctx context.Context, change func([]byte) []byte) error {
	unlock, err := lockfile.Take(ctx, t.lock)
	if err != nil {
		return err
	}
	defer unlock()
	path, err := filepath.EvalSymlinks(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		path = t.path
	} else if err != nil {
		return fmt.Errorf("find the access file: %w", err)
	}
	old, err := read(path)
	if err != nil {
		return fmt.Errorf("read the access file: %w", err)
	}
	text := change(old)
	if bytes.Equal(text, old) {
		return nil
	}
	if err := replace(path, text); err != nil {
		return fmt.Errorf("write the access file: %w", err)
	}
	return nil
}

// read returns nothing for a file that does not exist.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxSize)
	}
	return os.ReadFile(path)
}

// replace writes beside the file and renames over it, so that a reader, and
// whoever looks after a crash, finds the old text or the new.
func replace(path string, text []byte) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(text); err != nil {
		return err
	}
	if err = inherit(path, f); err != nil {
		return err
	}
	if err = errors.Join(datasync.File(f), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return datasync.Dir(dir)
}

// inherit gives the new file what the old one has: mode, owner, and what else
// the system attaches to files. A file that is new is readable by all, as its
// readers are any user's services.
func inherit(path string, f *os.File) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(0o644)
	}
	if err != nil {
		return err
	}
	return errors.Join(own(info, path, f), f.Chmod(info.Mode().Perm()))
}
