// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
)

func (t *tree) judge() error {
	owned, err := t.owners(t.ctx)
	if err != nil {
		t.scan.Fault("ask which package owns a file", err)
	}
	t.reportDisagreements()
	t.reportFrozen()
	t.reportNames(owned)
	// One file of the database that can't be read must not silence the rule.
	return t.judgePrivileged(owned, t.scan.Packages != nil && (err == nil || len(owned) > 0))
}

// owners asks once about every file that may be reported.
func (t *tree) owners(ctx context.Context) (map[string]string, error) {
	if t.scan.Packages == nil {
		return nil, nil
	}
	ask := t.oddNames.all()
	for _, p := range t.privileged.all() {
		ask = append(ask, p.path)
	}
	if len(ask) == 0 {
		return nil, nil
	}
	return t.scan.Packages.Owners(ctx, ask)
}

func (t *tree) reportDisagreements() {
	for _, d := range t.disagree {
		text := event.SafeText(d.path)
		t.scan.Report(check.Finding{
			Kind: check.Rootkit, Rule: "link-counts-differ", Thing: d.path, Path: d.path,
			Title:    fmt.Sprintf("Two system calls disagree about the link count of '%s'.", text),
			Why:      "The count is 2 and one for each subfolder. Rootkits that hide folders change it in the calls that everybody uses, and forget the others.",
			Advice:   "look at the folder from a rescue system",
			Evidence: map[string]string{"statx": fmt.Sprint(d.stat), "fstat": fmt.Sprint(d.fstat)},
			Wire:     fmt.Sprintf("Anomaly detected in file '%s'. Link count differs between system calls. Possible kernel level rootkit.", text),
		})
	}
}

// frozen is a file with a flag that keeps even root from changing it.
type frozen struct {
	path string
	info hostfile.Info
	attr hostfile.Attr
}

func (f frozen) flag() string {
	if f.attr.Immutable {
		return "immutable"
	}
	return "append-only"
}

// expected: logs that may only grow are good practice, and ostree keeps the
// folders of its deployments from being written to.
func (f frozen) expected() bool {
	logs := !f.attr.Immutable && strings.HasPrefix(f.path, "/var/log/")
	return logs || f.info.IsDir() && (strings.HasPrefix(f.path, "/sysroot") || strings.HasPrefix(f.path, "/ostree"))
}

func (t *tree) reportFrozen() {
	for _, f := range t.frozen.all() {
		if f.expected() {
			continue
		}
		text := event.SafeText(f.path)
		t.scan.Report(check.Finding{
			Kind: check.Suspicious, Rule: f.flag(), Thing: f.path, State: state(f.info, nil), Path: f.path,
			Title:  fmt.Sprintf("The file '%s' is %s.", text, f.flag()),
			Why:    "Malware sets this flag so that neither an admin nor another intruder can remove its files easily. Some admins protect files this way too.",
			Advice: fmt.Sprintf("lsattr -d '%s'; chattr -ia '%s'", text, text),
			Wire:   fmt.Sprintf("File '%s' is %s.", text, f.flag()),
		})
	}
}

// state is what an admin accepts together with a file.
func state(i hostfile.Info, caps []byte) string {
	return fmt.Sprintf("%v %d:%d %d %d %d %x", i.Mode, i.UID, i.GID, i.Size, i.Mtime.UnixNano(), i.Ctime.UnixNano(), caps)
}

// suspect is a quick look: only such names can be odd.
func suspect(name []byte) bool {
	return name[0] == '.' || name[0] == ' ' || name[len(name)-1] == ' ' || !plain(name)
}

// oddName reports whether a suspect name wants to be overlooked. Users may
// name their files as they like, so it is asked only of what the system keeps.
func oddName(dir, full, name string) bool {
	if strings.HasPrefix(name, ".") && (dir == "/dev" || dir == "/dev/shm") && !usualHidden(name) {
		return true
	}
	if !slices.ContainsFunc([]string{"/dev/", "/run/", "/tmp/", "/var/tmp/", "/etc/", "/usr/bin/", "/usr/sbin/", "/usr/lib/", "/bin/", "/sbin/", "/lib/", "/boot/", "/var/spool/"},
		func(root string) bool { return strings.HasPrefix(full, root) }) {
		return false
	}
	return len(name) > 2 && strings.Trim(name, ".") == "" || // "..."
		strings.HasSuffix(name, " ") || strings.HasPrefix(name, " ") || strings.HasPrefix(name, ". ") || strings.HasPrefix(name, ".. ") ||
		!plain([]byte(name))
}

// plain reports whether a name has no control characters.
func plain(name []byte) bool {
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// usualHidden lists hidden names that systems and browsers make.
func usualHidden(name string) bool {
	return slices.Contains([]string{
		".udev", ".udevdb", ".udev.tdb", ".blkid.tab", ".blkid.tab.old", ".lxc", ".lxc-boot-id", ".initramfs", ".initramfs-tools", ".mount",
	}, name) || strings.HasPrefix(name, ".org.chromium.") || strings.HasPrefix(name, ".com.google.Chrome.")
}

func (t *tree) reportNames(owned map[string]string) {
	for _, p := range t.oddNames.all() {
		if owned[p] != "" {
			continue
		}
		text := event.SafeText(p)
		t.scan.Report(check.Finding{
			Kind: check.Suspicious, Rule: "name", Thing: p, Path: p,
			Title:  fmt.Sprintf("The name of '%s' wants to be overlooked.", text),
			Why:    "Names such as '...', with a blank at an end or with control characters are chosen so that nobody sees them in a listing.",
			Advice: fmt.Sprintf("ls -lab '%s'", event.SafeText(path.Dir(p))),
			Wire:   fmt.Sprintf("File '%s' has a name that hides it.", text),
		})
	}
	for _, p := range t.programs {
		text := event.SafeText(p)
		t.scan.Report(check.Finding{
			Kind: check.Suspicious, Rule: "program-in-memory", Thing: p, Path: p, Severity: 10,
			Title:  fmt.Sprintf("There is a program in shared memory: '%s'.", text),
			Why:    "/dev/shm is for memory that programs share. Intruders put programs there because everybody may write and nothing reaches the disk.",
			Advice: fmt.Sprintf("file '%s'; fuser -v '%s'", text, text),
			Wire:   fmt.Sprintf("Program '%s' present in shared memory.", text),
		})
	}
}

// privileged is a program that runs with more rights than its user.
type privileged struct {
	path string
	info hostfile.Info
	caps []byte
}

// rights spells what it has.
func (p privileged) rights() string {
	var list []string
	if p.info.Mode&fs.ModeSetuid != 0 {
		list = append(list, fmt.Sprintf("setuid %d", p.info.UID))
	}
	if p.info.Mode&fs.ModeSetgid != 0 {
		list = append(list, fmt.Sprintf("setgid %d", p.info.GID))
	}
	if len(p.caps) > 0 {
		list = append(list, "capabilities "+hex.EncodeToString(p.caps))
	}
	return strings.Join(list, ", ")
}

// roots reports that only root can have made it so. Capabilities that hold in
// the user namespace of somebody else (version 3 with a root of its own, see
// capabilities(7)) anybody can give.
func (p privileged) roots() bool {
	const withRoot = 24 // bytes: the last 4 are the namespace's root
	foreign := len(p.caps) == withRoot && binary.LittleEndian.Uint32(p.caps[withRoot-4:]) != 0
	return len(p.caps) > 0 && !foreign || p.info.Mode&fs.ModeSetuid != 0 && p.info.UID == 0 || p.info.Mode&fs.ModeSetgid != 0 && p.info.GID == 0
}

// privilegedMemory holds the programs of the first run and their rights.
type privilegedMemory struct{ Rights map[string]string }

func (t *tree) judgePrivileged(owned map[string]string, database bool) error {
	var memory privilegedMemory
	known := t.scan.Memory.Load(&memory) && memory.Rights != nil
	if !known {
		memory.Rights = make(map[string]string)
	}
	for _, p := range t.privileged.all() {
		switch {
		case giveaway(p.path):
			t.reportPrivileged(p, "giveaway", "With such rights it gives them to whoever starts it.", 10)
		case writable(p.path):
			t.reportPrivileged(p, "writable", "It is where anybody can put files; no package installs a program there.", 10)
		case database && owned[p.path] == "":
			t.reportPrivileged(p, "unowned", "No package owns it.", 7)
		case known && memory.Rights[p.path] != p.rights():
			t.reportPrivileged(p, "new", "It did not have these rights when hids first looked.", 7)
		}
		if !known {
			memory.Rights[p.path] = p.rights()
		}
	}
	return t.scan.Memory.Save(memory)
}

// giveaway lists shells and programs that run others or write any file.
func giveaway(p string) bool {
	base := path.Base(p)
	return slices.Contains([]string{
		"sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "fish", "csh", "tcsh", "rbash", "busybox", "toybox", "env", "find", "awk", "gawk", "mawk",
		"vi", "vim", "view", "nano", "ed", "less", "more", "cp", "mv", "dd", "tee", "sed", "tar", "nmap", "gdb", "strace", "node", "ruby", "lua", "php",
		"docker", "nsenter", "unshare", "setpriv", "socat", "nc", "ncat", "openssl", "base64", "xxd",
	}, base) || strings.HasPrefix(base, "python") && !strings.Contains(base, "-") || strings.HasPrefix(base, "perl5") || base == "perl"
}

func writable(p string) bool {
	return slices.ContainsFunc([]string{"/tmp/", "/var/tmp/", "/dev/", "/home/", "/run/user/", "/var/www/"},
		func(dir string) bool { return strings.HasPrefix(p, dir) })
}

func (t *tree) reportPrivileged(p privileged, rule, why string, severity int) {
	text, rights := event.SafeText(p.path), p.rights()
	sort := "setuid or setgid"
	if len(p.caps) > 0 {
		sort = "privileged"
	}
	t.scan.Report(check.Finding{
		Kind: check.Suspicious, Rule: rule, Thing: p.path, State: state(p.info, p.caps), Path: p.path, Severity: severity,
		Title:    fmt.Sprintf("The program '%s' runs with more rights than its user's (%s).", text, rights),
		Why:      why + " Intruders leave such programs to become root again.",
		Advice:   fmt.Sprintf("ls -l '%s'; getcap '%s'; file '%s'", text, text, text),
		Evidence: map[string]string{"rights": rights, "mode": p.info.Mode.String(), "uid": fmt.Sprint(p.info.UID), "gid": fmt.Sprint(p.info.GID)},
		Wire:     fmt.Sprintf("File '%s' is %s and not expected to be.", text, sort),
	})
}
