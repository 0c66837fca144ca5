// SPDX-License-Identifier: Apache-2.0

package netinfo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// maxSessions bounds how many of logind's session files are looked at.
const maxSessions = 4096

// AdminPeers returns the addresses from which administrators are logged in now:
// root, other users with id 0, and members of root, sudo, wheel and admin. Only
// a login that has succeeded counts, never a connection alone: who guesses
// passwords is connected too. The sources are utmp(5) and systemd-logind's
// session files; entries whose process is gone are left out.
func AdminPeers(h paths.Host) ([]netip.Addr, error) {
	sessions, err := sessions(h)
	if err != nil || len(sessions) == 0 {
		return nil, err
	}
	admins, err := readAdmins(h)
	if err != nil {
		return nil, err
	}
	var peers []netip.Addr
	for _, s := range sessions {
		if admins[s.user] && !slices.Contains(peers, s.peer) && alive(h, s.pid) {
			peers = append(peers, s.peer)
		}
	}
	return peers, nil
}

type session struct {
	user string
	peer netip.Addr
	pid  int
}

func sessions(h paths.Host) ([]session, error) {
	utmp, err := readBounded(h.Path("/run/utmp"))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	found := parseUtmp(utmp)
	names, err := filepath.Glob(h.Path("/run/systemd/sessions/*"))
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	for _, name := range names[:min(len(names), maxSessions)] {
		if strings.HasSuffix(name, ".ref") { // a FIFO
			continue
		}
		data, err := readBounded(name)
		if err != nil {
			return nil, fmt.Errorf("read sessions: %w", err)
		}
		if s, ok := parseLogind(data); ok {
			found = append(found, s)
		}
	}
	return found, nil
}

// parseLogind reads one of logind's session files, KEY=VALUE lines.
func parseLogind(data []byte) (session, bool) {
	fields := map[string]string{}
	for line := range bytes.Lines(data) {
		if k, v, ok := strings.Cut(strings.TrimSpace(string(line)), "="); ok {
			fields[k] = strings.Trim(v, `"`)
		}
	}
	if fields["REMOTE"] != "1" || fields["CLASS"] == "greeter" {
		return session{}, false
	}
	peer, err := netip.ParseAddr(fields["REMOTE_HOST"])
	if err != nil {
		return session{}, false
	}
	pid, err := strconv.Atoi(fields["LEADER"])
	if err != nil {
		return session{}, false
	}
	return session{user: fields["USER"], peer: Plain(peer), pid: pid}, true
}

// The types of glibc's struct utmp.
const (
	utmpUserProcess = 7
	utmpLastType    = 9 // ACCOUNTING
)

// utmpLayout is one of struct utmp's layouts. Its time and session fields are
// 32 bits wide on most machines and 64 on arm64 and others, which moves what
// follows.
type utmpLayout struct{ size, addrAt int }

// utmpLayouts lists the layouts, that of this machine first.
func utmpLayouts(arch string) []utmpLayout {
	short, long := utmpLayout{size: 384, addrAt: 348}, utmpLayout{size: 400, addrAt: 360}
	if arch == "arm64" {
		return []utmpLayout{long, short}
	}
	return []utmpLayout{short, long}
}

// chooseLayout takes the first layout whose records fill the file and all have
// types that exist: lengths alone do not tell, 24 long records are 25 short
// ones. Of a damaged file the length has to do.
func chooseLayout(data []byte, layouts []utmpLayout) utmpLayout {
	fills := func(l utmpLayout) bool { return len(data)%l.size == 0 }
	fits := func(l utmpLayout) bool { return fills(l) && l.typesExist(data) }
	for _, good := range []func(utmpLayout) bool{fits, fills} {
		if i := slices.IndexFunc(layouts, good); i >= 0 {
			return layouts[i]
		}
	}
	return layouts[0]
}

func (l utmpLayout) typesExist(data []byte) bool {
	for rec := range slices.Chunk(data, l.size) {
		if binary.NativeEndian.Uint16(rec) > utmpLastType {
			return false
		}
	}
	return true
}

func parseUtmp(data []byte) []session {
	layout := chooseLayout(data, utmpLayouts(runtime.GOARCH))
	var found []session
	for rec := range slices.Chunk(data, layout.size) {
		if len(rec) < layout.size || binary.NativeEndian.Uint16(rec) != utmpUserProcess {
			continue
		}
		peer, ok := utmpPeer(rec, layout.addrAt)
		if !ok {
			continue
		}
		pid := int(int32(binary.NativeEndian.Uint32(rec[4:])))
		found = append(found, session{user: cString(rec[44:76]), peer: peer, pid: pid})
	}
	return found
}

// utmpPeer prefers the host as text, and takes the binary address where sshd
// wrote a name there (UseDNS).
func utmpPeer(rec []byte, addrAt int) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(cString(rec[76:332])); err == nil {
		return Plain(a), true
	}
	raw := rec[addrAt : addrAt+16]
	a := netip.AddrFrom16([16]byte(raw))
	if bytes.Equal(raw[4:], make([]byte, 12)) {
		a = netip.AddrFrom4([4]byte(raw[:4]))
	}
	return Plain(a), !a.IsUnspecified()
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

func alive(h paths.Host, pid int) bool {
	_, err := os.Lstat(h.ProcPath(strconv.Itoa(pid)))
	return pid > 0 && err == nil
}

// readAdmins returns the names of all who may become root.
func readAdmins(h paths.Host) (map[string]bool, error) {
	passwd, err := readBounded(h.Path("/etc/passwd"))
	if err != nil {
		return nil, fmt.Errorf("read administrators: %w", err)
	}
	group, err := readBounded(h.Path("/etc/group"))
	if err != nil {
		return nil, fmt.Errorf("read administrators: %w", err)
	}
	return parseAdmins(passwd, group), nil
}

func parseAdmins(passwd, group []byte) map[string]bool {
	admins := map[string]bool{"root": true}
	gids := map[string]bool{}
	for line := range bytes.Lines(group) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) < 4 || !slices.Contains([]string{"root", "sudo", "wheel", "admin"}, f[0]) {
			continue
		}
		gids[f[2]] = true
		for name := range strings.SplitSeq(f[3], ",") {
			admins[name] = true
		}
	}
	for line := range bytes.Lines(passwd) {
		f := strings.Split(string(line), ":")
		if len(f) >= 4 && (f[2] == "0" || gids[f[3]]) {
			admins[f[0]] = true
		}
	}
	delete(admins, "")
	return admins
}
