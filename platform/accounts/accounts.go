// SPDX-License-Identifier: Apache-2.0

// Package accounts locks user accounts and gives them back as they were, with
// the system's own tools. Whose account is to be locked is decided elsewhere,
// but some never are: Check says which.
package accounts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"hids/platform/command"
	"hids/platform/datasync"
	"hids/platform/lockfile"
	"hids/platform/paths"
)

// maxName is the longest login name of Linux, in bytes (useradd(8)).
const maxName = 32

// nobody is the user id that stands for no user.
const nobody = 65534

var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?$`)

// ErrNoAccount is about a name that this host has no account of.
var ErrNoAccount = errors.New("has no account on this host itself")

// ErrUnreadable is about accounts that can't be looked up now.
var ErrUnreadable = errors.New("accounts can't be looked up")

// Check says why an account must not be locked: its name could be taken for an
// option, for a number or for a path; there is no such account on this host; or
// it is root or another of the system's own, whose user id is below the first
// that is given to people.
func Check(host paths.Host, name string) error {
	if len(name) > maxName || !validName.MatchString(name) {
		return fmt.Errorf("%q is not a login name", name)
	}
	if _, err := strconv.Atoi(name); err == nil {
		return fmt.Errorf("%q may be taken for a user id", name)
	}
	uid, err := lookUp(host, name)
	switch {
	case errors.Is(err, ErrNoAccount):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if uid < firstUID || uid == nobody {
		return fmt.Errorf("%s is an account of the system (user id %d); those are never locked", name, uid)
	}
	return nil
}

// passwdUID finds an account in passwd(5).
func passwdUID(host paths.Host, name string) (int, error) {
	fields, err := entry(host.Path("/etc/passwd"), name)
	if err != nil {
		return 0, err
	}
	uid, err := strconv.Atoi(field(fields, 2))
	if err != nil {
		return 0, fmt.Errorf("the user id of %s is not a number", name)
	}
	return uid, nil
}

// entry returns the fields of an account's line in passwd(5) or shadow(5).
func entry(path, name string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("look for the account: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ":"); fields[0] == name {
			return fields, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("look for the account: %w", err)
	}
	return nil, fmt.Errorf("%s %w", name, ErrNoAccount)
}

func field(fields []string, i int) string {
	if i >= len(fields) {
		return ""
	}
	return fields[i]
}

// Box locks accounts and remembers how they were.
type Box struct {
	host paths.Host
	run  command.Func
	dir  string // state, root's alone
}

// Open returns the Box of a host. state is a folder that only root can write.
func Open(host paths.Host, run command.Func, state string) *Box {
	return &Box{host: host, run: run, dir: filepath.Join(state, "accounts")}
}

// Lock locks an account that Check lets pass. An account that is locked already
// is no error, and Unlock will leave it so.
func (b *Box) Lock(ctx context.Context, name string) error {
	return b.locked(ctx, "lock", name, b.lock)
}

// Unlock gives an account back as it was before Lock. Where that is remembered, one
// that this Box has not locked is left alone: it may be asked twice, and the admin may
// have locked the account before. (OSSEC's disable-account.sh unlocks it.)
func (b *Box) Unlock(ctx context.Context, name string) error {
	return b.locked(ctx, "unlock", name, b.unlock)
}

// Forget is Unlock for an account that was removed meanwhile: a later one of its name
// must not get back what this one had.
func (b *Box) Forget(ctx context.Context, name string) error {
	return b.locked(ctx, "forget", name, func(context.Context, string) error { return b.forget(name) })
}

func (b *Box) locked(ctx context.Context, what, name string, do func(context.Context, string) error) error {
	unlock, err := lockfile.Take(ctx, filepath.Join(b.dir, ".lock"))
	if err == nil {
		defer unlock()
		err = do(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("%s the account %s: %w", what, name, err)
	}
	return nil
}

// record is how an account was.
type record struct {
	Locked  bool   `json:"locked"`          // its password was locked
	Empty   bool   `json:"empty,omitempty"` // it had no password
	Expires string `json:"expires"`         // shadow(5)'s field, days since 1970; "": never
}

func (b *Box) recordFile(name string) string { return filepath.Join(b.dir, name+".json") }

// remember keeps the first record: what a second Lock sees is our own doing.
func (b *Box) remember(name string, r record) error {
	path := b.recordFile(name)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, datasync.File(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return datasync.Dir(b.dir)
}

func (b *Box) recall(name string) (r record, found bool, err error) {
	text, err := os.ReadFile(b.recordFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err == nil, err
}

func (b *Box) forget(name string) error {
	err := os.Remove(b.recordFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// do runs a tool; an answer that holds harmless, unless that is "", is success.
func (b *Box) do(ctx context.Context, argv []string, harmless string) error { //nolint:unparam // other systems than Linux have such answers
	result, err := b.run(ctx, argv, nil)
	if err != nil {
		return err
	}
	if harmless != "" && strings.Contains(string(result.Stdout)+string(result.Stderr), harmless) {
		return nil
	}
	return result.Err(argv)
}

func missing(err error) bool { return errors.Is(err, exec.ErrNotFound) }
