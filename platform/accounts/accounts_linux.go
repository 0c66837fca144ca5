// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"context"
	"strings"

	"hids/platform/paths"
)

// firstUID is UID_MIN of every distribution's login.defs(5).
const firstUID = 1000

func lookUp(host paths.Host, name string) (int, error) { return passwdUID(host, name) }

// lock locks the password and lets the account expire: a locked password alone
// keeps nobody out who logs in with a key (passwd(1)).
func (b *Box) lock(ctx context.Context, name string) error {
	shadow, err := entry(b.host.Path("/etc/shadow"), name)
	if err != nil {
		return err
	}
	if err := b.remember(name, recordOf(shadow)); err != nil {
		return err
	}
	err = b.do(ctx, b.usermod(name, "--lock", "--expiredate", "1"), "")
	if missing(err) {
		return b.do(ctx, []string{"passwd", "-l", name}, "")
	}
	return err
}

func recordOf(shadow []string) record {
	password := field(shadow, 1)
	return record{Locked: strings.HasPrefix(password, "!"), Empty: password == "", Expires: field(shadow, 7)}
}

func (b *Box) unlock(ctx context.Context, name string) error {
	was, found, err := b.recall(name)
	if err != nil || !found {
		return err
	}
	if was.Empty, err = b.stillEmpty(name, was); err != nil {
		return err
	}
	options := []string{"--expiredate", was.Expires}
	switch {
	case was.Empty: // which usermod does not take for one that can be unlocked
		options = append(options, "--password", "")
	case !was.Locked:
		options = append(options, "--unlock")
	}
	err = b.do(ctx, b.usermod(name, options...), "")
	if missing(err) {
		err = b.do(ctx, []string{"passwd", was.option(), name}, "")
	}
	if err != nil {
		return err
	}
	return b.forget(name)
}

// stillEmpty says whether an account that had no password has been given none since:
// an admin's new one is kept.
func (b *Box) stillEmpty(name string, was record) (bool, error) {
	if !was.Empty {
		return false, nil
	}
	shadow, err := entry(b.host.Path("/etc/shadow"), name)
	return err == nil && strings.TrimPrefix(field(shadow, 1), "!") == "", err
}

// option is what passwd(1) opens an account with.
func (r record) option() string {
	if r.Empty {
		return "-d"
	}
	return "-u"
}

// usermod comes from shadow-utils; busybox has only passwd.
func (b *Box) usermod(name string, options ...string) []string {
	argv := []string{"usermod"}
	if b.host.Root != "" {
		argv = append(argv, "--prefix", b.host.Root)
	}
	return append(append(argv, options...), "--", name)
}
