// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
)

const (
	passwdFile  = "/etc/passwd"
	shadowFile  = "/etc/shadow"
	maxAccounts = 16 << 20
)

// account is one line of passwd(5).
type account struct {
	name, password, shell string
	uid                   int
}

// accounts looks at the local users.
func accounts(_ context.Context, s *check.Scan) error {
	text, err := s.FS.ReadFile(passwdFile, maxAccounts)
	if hostfile.Gone(err) {
		return check.NotApplicable("there is no %s", passwdFile)
	}
	if err != nil {
		return err
	}
	users := parsePasswd(text)
	shadow, err := s.FS.ReadFile(shadowFile, maxAccounts)
	if err != nil && !hostfile.Gone(err) {
		s.Fault("read passwords", err)
	}
	passwords := parseShadow(shadow)
	first := make(map[int]string)
	for _, u := range users {
		if u.uid == 0 && u.name != "root" {
			reportRoot(s, u)
		} else if other, ok := first[u.uid]; ok && other != u.name {
			reportShared(s, other, u)
		}
		if _, ok := first[u.uid]; !ok {
			first[u.uid] = u.name
		}
		if open(u, passwords) {
			reportOpen(s, u)
		}
	}
	return nil
}

// parsePasswd skips lines that make no account, NIS's "+" among them.
func parsePasswd(text []byte) []account {
	var users []account
	for line := range strings.Lines(string(text)) {
		// glibc takes lines that end early, and blanks before the name and numbers.
		f := strings.Split(strings.Trim(line, " \t\n\v\f\r"), ":")
		if len(f) < 4 || f[0] == "" || strings.ContainsAny(f[0][:1], "+-#") {
			continue
		}
		f = append(f, "", "", "")
		uid, err := strconv.Atoi(strings.TrimLeft(f[2], " \t\v\f\r"))
		if err != nil {
			continue
		}
		users = append(users, account{name: f[0], password: f[1], uid: uid, shell: f[6]})
	}
	return users
}

// parseShadow maps users to their password field, shadow(5).
func parseShadow(text []byte) map[string]string {
	passwords := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimRight(line, "\n"), ":")
		if len(f) > 1 && f[0] != "" {
			passwords[f[0]] = f[1]
		}
	}
	return passwords
}

// open reports whether the account has an empty password and a shell.
func open(u account, shadow map[string]string) bool {
	password := u.password
	if password == "x" {
		var ok bool
		if password, ok = shadow[u.name]; !ok {
			return false
		}
	}
	return password == "" && !slices.Contains([]string{"nologin", "false", "sync", "shutdown", "halt"}, path.Base(u.shell))
}

func reportRoot(s *check.Scan, u account) {
	name := event.SafeText(u.name)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "second-root", Thing: u.name, State: u.shell, Path: passwdFile, Severity: 10,
		Title:  fmt.Sprintf("The account '%s' has uid 0, as root has.", name),
		Why:    "Whoever logs in with it is root under another name. Intruders make such accounts to come back.",
		Advice: "awk -F: '$3 == 0' /etc/passwd; last",
		Wire:   fmt.Sprintf("Account '%s' has uid 0 besides root.", name),
	})
}

func reportShared(s *check.Scan, first string, u account) {
	a, b := event.SafeText(first), event.SafeText(u.name)
	s.Report(check.Finding{
		Kind: check.Policy, Rule: "shared-uid", Thing: u.name, State: strconv.Itoa(u.uid), Path: passwdFile,
		Title:  fmt.Sprintf("The accounts '%s' and '%s' share the uid %d.", a, b, u.uid),
		Why:    "Each can do everything with the other's files and processes, and logs cannot tell them apart.",
		Advice: fmt.Sprintf("awk -F: '$3 == %d' /etc/passwd", u.uid),
		Wire:   fmt.Sprintf("System Audit: Accounts '%s' and '%s' share uid %d.", a, b, u.uid),
	})
}

func reportOpen(s *check.Scan, u account) {
	name := event.SafeText(u.name)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "no-password", Thing: u.name, State: u.shell, Path: shadowFile,
		Title:  fmt.Sprintf("The account '%s' needs no password.", name),
		Why:    "Anybody who reaches a login can use it.",
		Advice: fmt.Sprintf("passwd -l '%s'", name),
		Wire:   fmt.Sprintf("Account '%s' has no password.", name),
	})
}
