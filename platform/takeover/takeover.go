// SPDX-License-Identifier: Apache-2.0

// Package takeover finds an installed OSSEC or Wazuh 3.x and puts a link in the
// place of one of its daemons, or takes it away again. The daemon itself stays
// beside the link. Which daemons, whether the configuration is good, and what to
// say about it all belong to the caller; nothing is started or stopped here.
package takeover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hids/platform/datasync"
	"hids/platform/paths"
)

// Kept is what the name of a daemon ends with while a link has its place.
const Kept = ".ossec"

// Installation is an installed OSSEC.
type Installation struct {
	Home    string `json:"home"`
	Name    string `json:"name"`    // "OSSEC" or "Wazuh"
	Version string `json:"version"` // as its installer wrote it down, "v3.6.0"; "" if it did not
	Type    string `json:"type"`    // "agent", "server", "local"; "" if unknown
	Control string `json:"control"` // the script that starts and stops it
}

// ErrNone means that there is no OSSEC at the place.
var ErrNone = errors.New("there is no OSSEC")

// HomeOf returns the folder of the OSSEC that is installed on the host by what
// its installer wrote to /etc/ossec-init.conf, or "".
func HomeOf(host paths.Host) string {
	return parseInit(readInit(host.Path("/etc/ossec-init.conf")))["DIRECTORY"]
}

// Find looks at the OSSEC below home.
func Find(host paths.Host, home string) (Installation, error) {
	in := Installation{Home: home, Name: "OSSEC", Control: filepath.Join(home, "bin", "ossec-control")}
	if _, err := os.Stat(in.Control); errors.Is(err, fs.ErrNotExist) {
		return in, fmt.Errorf("%w in %s: it has no bin/ossec-control", ErrNone, home)
	} else if err != nil {
		return in, err
	}
	// Newer ones have a copy in the installation, which says the same.
	facts := parseInit(readInit(filepath.Join(home, "etc", "ossec-init.conf")))
	if facts == nil {
		facts = parseInit(readInit(host.Path("/etc/ossec-init.conf")))
		if facts["DIRECTORY"] != home { // of another
			facts = nil
		}
	}
	if facts["NAME"] != "" {
		in.Name = facts["NAME"]
	}
	in.Version, in.Type = facts["VERSION"], facts["TYPE"]
	return in, nil
}

// maxInit bounds what is read of an ossec-init.conf; it has four lines.
const maxInit = 1 << 16

func readInit(path string) string {
	text, err := os.ReadFile(path)
	if err != nil || len(text) > maxInit {
		return ""
	}
	return string(text)
}

// parseInit reads the assignments of an ossec-init.conf, nil without any.
func parseInit(text string) map[string]string {
	var facts map[string]string
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		if facts == nil {
			facts = map[string]string{}
		}
		facts[name] = strings.Trim(value, `"'`)
	}
	return facts
}

// State is what is found at the place of a daemon.
type State string

// The states.
const (
	Theirs  State = "theirs"  // OSSEC's own daemon
	Ours    State = "ours"    // a link to us, and the daemon beside it
	Orphan  State = "orphan"  // a link to us, and nothing beside it
	Missing State = "missing" // nothing at all
)

// Look says what is at path, the place of a daemon. Something that is neither a
// file nor a link to program is an error.
func Look(path, program string) (State, error) {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing, nil
	case err != nil:
		return "", err
	case fi.Mode().IsRegular():
		return Theirs, nil
	case fi.Mode().Type() != fs.ModeSymlink:
		return "", fmt.Errorf("%s is neither a file nor a link", path)
	}
	to, err := os.Readlink(path)
	if err != nil {
		return "", err
	}
	if to != program {
		return "", fmt.Errorf("%s is a link to %q already; take it away first", path, to)
	}
	if _, err := os.Lstat(path + Kept); errors.Is(err, fs.ErrNotExist) {
		return Orphan, nil
	}
	return Ours, nil
}

// Replace puts a link to program in the place of the daemon at path, and keeps
// the daemon beside it. At every moment there is one or the other at path. An
// older one that was kept before (OSSEC was installed again since) goes.
func Replace(path, program string) error {
	state, err := Look(path, program)
	if err != nil || state == Ours {
		return err
	}
	if state != Theirs {
		return fmt.Errorf("%s: there is no daemon to replace (%s)", path, state)
	}
	err = swap(path+Kept, func(tmp string) error { return os.Link(path, tmp) })
	if err == nil {
		err = datasync.Dir(filepath.Dir(path)) // the daemon is kept before its name goes
	}
	if err == nil {
		err = swap(path, func(tmp string) error { return os.Symlink(program, tmp) })
	}
	if err != nil {
		return fmt.Errorf("replace daemon: %w", err)
	}
	return datasync.Dir(filepath.Dir(path))
}

// Restore puts the daemon that was kept back to path. It does nothing where
// OSSEC's own daemon is in its place.
func Restore(path, program string) error {
	state, err := Look(path, program)
	if err != nil || state == Theirs {
		return err
	}
	if err := os.Rename(path+Kept, path); err != nil {
		return fmt.Errorf("restore daemon: %w", err)
	}
	return datasync.Dir(filepath.Dir(path))
}

// swap makes something under another name and moves it to path.
func swap(path string, create func(tmp string) error) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // left by one that was killed
	}
	if err := create(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	// rename(2) does nothing, and says it was fine, when both are the same file.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
