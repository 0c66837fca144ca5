// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/signature"
	"hids/platform/hostfile"
	"hids/platform/pkgdb"
)

// maxProgram bounds what is read of one program, in bytes.
const maxProgram = 256 << 20

// trojans verifies the programs and libraries that rootkits exchange against
// the package database; what no package vouches for is searched for the words
// of the signature lists.
func (o *ossec) trojans(ctx context.Context, s *check.Scan) error {
	t := &trojanSearch{s: s, signatures: map[string][]*signature.Trojan{}, links: map[string]string{}}
	list := o.trojanSignatures(s)
	for i := range list {
		for _, p := range list[i].Paths(s.Config.BaseDirectory) {
			t.signatures[p] = append(t.signatures[p], &list[i])
		}
	}
	t.collect()
	if err := t.askPackages(ctx); err != nil {
		return err
	}
	for _, c := range t.candidates {
		if err := t.examine(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (o *ossec) trojanSignatures(s *check.Scan) []signature.Trojan {
	var list []signature.Trojan
	if name := s.Config.RootkitTrojans; name != "" {
		data, err := o.readOwn(name)
		if err != nil {
			s.Fault("read rootkit_trojans", err)
		}
		var faults []signature.Fault
		list, faults = signature.ParseTrojans(name, data)
		for _, f := range faults {
			s.Log.Debug("signature skipped", "err", f)
		}
	}
	return append(list, signature.BuiltinTrojans()...)
}

// verified are programs whose exchange hides something or opens a door, beside
// those that have a signature.
func verified() []string {
	return strings.Fields(`
		agetty apt apt-get atd auditctl auditd bash cat chattr chgrp chmod chown cp cron crond crontab curl dash date
		depmod df dir dmesg dnf dpkg du echo egrep env fgrep file find fuser gdb getty grep groups gzip head id ifconfig
		inetd init insmod ip journalctl kill killall killall5 kmod last lastlog ldconfig ldd login ls lsattr lsmod lsof
		md5sum modprobe mount mv netstat nginx passwd perl pgrep pidof ping pkexec pkill ps pstree python3 rm rmmod rpm
		rsyslogd runuser scp sed sftp sh sha1sum sha256sum slogin sort ss ssh ssh-add ssh-agent ssh-keygen sshd stat
		strace strings su sudo sulogin syslogd systemctl tail tar tcpd tcpdump telnet top touch umount uname uptime
		useradd usermod vdir vim vmstat w watch wget who xargs xinetd yum`)
}

// libraryPrefixes are names of libraries that userland rootkits exchange or
// imitate.
func libraryPrefixes() []string {
	return []string{"ld-linux", "ld-musl", "libc.so", "libc-", "libdl.so", "libdl-", "libkeyutils.so", "libnss_files",
		"libpam.so", "libproc", "libpthread", "libselinux.so", "pam_"}
}

// candidate is a program to look at.
type candidate struct {
	path     string // as OSSEC names it
	resolved string // without links, as a package names it
	link     string // what is at path, if that is a symbolic link
	sum      pkgdb.Sum
	vouched  bool   // a package has a sum for it
	strayed  string // the package that has the link, of a program that none has
}

type trojanSearch struct {
	s          *check.Scan
	signatures map[string][]*signature.Trojan // by path
	candidates []candidate
	links      map[string]string // by path; "" for what is none
}

// collect finds the programs that are there. A file that two paths lead to
// (/bin on a merged /usr) is looked at once, under the first.
func (t *trojanSearch) collect() {
	seen := map[string]bool{}
	add := func(p string) {
		info, err := t.s.FS.Stat(p)
		if err != nil || !info.IsRegular() {
			return
		}
		key := fmt.Sprint(info.Dev, " ", info.Ino, " ", path.Base(p))
		if info.Ino == 0 || !seen[key] {
			seen[key] = true
			t.candidates = append(t.candidates, candidate{path: p, resolved: t.resolve(p), link: t.link(p)})
		}
	}
	for _, p := range t.paths() {
		add(p)
	}
}

// paths lists where to look, in OSSEC's order of folders.
func (t *trojanSearch) paths() []string {
	var out []string
	for _, dir := range []string{"bin", "sbin", "usr/bin", "usr/sbin"} {
		for _, name := range verified() {
			out = append(out, under(t.s, path.Join(dir, name)))
		}
	}
	for p := range t.signatures {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(folderRank(a), folderRank(b)), strings.Compare(a, b))
	})
	for _, dir := range []string{"lib", "lib64", "usr/lib", "usr/lib64"} {
		out = append(out, t.libraries(under(t.s, dir), 0)...)
	}
	return out
}

func folderRank(p string) int {
	rank := 0
	if strings.Contains(p, "sbin/") {
		rank++
	}
	if strings.Contains(p, "usr/") {
		rank += 2
	}
	return rank
}

// libraries finds the libraries of note in a folder, its folder of PAM modules
// and those of architectures.
func (t *trojanSearch) libraries(dir string, depth int) []string {
	d, err := t.s.FS.OpenDir(dir, false)
	if err != nil {
		return nil
	}
	defer d.Close()
	var out []string
	for {
		names, err := d.Names(nameChunk)
		slices.Sort(names)
		for _, name := range names {
			full := path.Join(dir, name)
			switch {
			case slices.ContainsFunc(libraryPrefixes(), func(p string) bool { return strings.HasPrefix(name, p) }):
				out = append(out, full)
			case depth < 2 && (name == "security" || strings.Contains(name, "-linux-")):
				out = append(out, t.libraries(full, depth+1)...)
			}
		}
		if err != nil {
			return out
		}
	}
}

// maxLinks is how many links a path may have, as in Linux.
const maxLinks = 40

// resolve follows the links of a path, inside the host: /usr/bin/awk may be
// /usr/bin/mawk by way of /etc/alternatives. It returns what can't be followed
// as it is.
func (t *trojanSearch) resolve(p string) string {
	done, rest := "/", p
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		full := path.Join(done, name)
		to := ""
		if name != "" && name != "." && name != ".." {
			to = t.link(full)
		}
		if to == "" {
			done = full
			continue
		}
		if links++; links > maxLinks {
			return p
		}
		if path.IsAbs(to) {
			done = "/"
		}
		rest = to + "/" + rest
	}
	return done
}

// link returns what a symbolic link holds, "" if it is none.
func (t *trojanSearch) link(p string) string {
	to, known := t.links[p]
	if !known {
		if info, err := t.s.FS.Lstat(p); err == nil && info.Mode&fs.ModeSymlink != 0 {
			to, _ = t.s.FS.Readlink(p)
		}
		t.links[p] = to
	}
	return to
}

// askPackages asks for the sum of each path and of what it leads to: where a
// package installed a program, a link to another one is as good as another file.
func (t *trojanSearch) askPackages(ctx context.Context) error {
	if t.s.Packages == nil {
		return nil
	}
	var list []string
	for _, c := range t.candidates {
		list = append(list, c.path, c.resolved)
	}
	found, err := t.s.Packages.Sums(ctx, list)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		t.s.Fault("ask the package database", err)
	}
	for i := range t.candidates {
		c := &t.candidates[i]
		if c.sum, c.vouched = found[c.path]; !c.vouched || c.asPackaged() {
			c.sum, c.vouched = found[c.resolved]
		}
	}
	return t.askLinks(ctx)
}

// asPackaged reports whether the sum is that of the link itself, as apk has it.
func (c *candidate) asPackaged() bool {
	sum := sha1.Sum([]byte(c.link))
	return c.link != "" && c.sum.Algo == "sha1" && c.sum.Hex == hex.EncodeToString(sum[:])
}

// askLinks finds the links of packages that lead to what no package has. Few
// systems have a link to ask about. Where an alternative leads to, an admin chose,
// and no package has that link.
func (t *trojanSearch) askLinks(ctx context.Context) error {
	var list []string
	for _, c := range t.candidates {
		if c.link != "" && !c.vouched {
			list = append(list, c.path, c.resolved)
		}
	}
	if len(list) == 0 {
		return nil
	}
	owned, err := t.s.Packages.Owners(ctx, list)
	if err != nil { // what has no owner now may have one
		if ctx.Err() != nil {
			return err
		}
		t.s.Fault("ask which package owns a program", err)
		return nil
	}
	for i := range t.candidates {
		if c := &t.candidates[i]; c.link != "" && !c.vouched && owned[c.resolved] == "" {
			c.strayed = owned[c.path]
		}
	}
	return nil
}

// examine decides about one program. A sum that is right ends it: a word of a
// signature list in a genuine program is a false alarm.
func (t *trojanSearch) examine(ctx context.Context, c candidate) error {
	genuine := false
	if c.vouched {
		got, err := sumAs(ctx, t.s.FS, c.path, c.sum.Algo)
		if err != nil {
			return t.readFault(ctx, c, err)
		}
		genuine = got == c.sum.Hex
	}
	if genuine {
		return nil
	}
	hit, err := t.search(ctx, c)
	if err != nil {
		return t.readFault(ctx, c, err)
	}
	switch {
	case hit != nil:
		t.reportSignature(c, hit)
	case c.vouched:
		t.reportChanged(c)
	case c.strayed != "":
		t.reportStrayed(c)
	}
	return nil
}

// readFault passes the end of the scan on; a file that is gone is no fault.
func (t *trojanSearch) readFault(ctx context.Context, c candidate, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !hostfile.Gone(err) {
		t.s.Fault("read "+c.path, err)
	}
	return nil
}

func (t *trojanSearch) search(ctx context.Context, c candidate) (*signature.Trojan, error) {
	list := t.signatures[c.path]
	if len(list) == 0 {
		return nil, nil
	}
	f, info, err := t.s.FS.Open(c.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size > maxProgram {
		t.s.Fault("search "+c.path, fmt.Errorf("larger than %d bytes: the rest is left out", maxProgram))
	}
	return signature.Match(ctx, io.LimitReader(f, maxProgram), list)
}

func (t *trojanSearch) reportSignature(c candidate, sig *signature.Trojan) {
	text := trojanText(c.path, sig.Pattern, sig.Note)
	t.s.Report(aboutHashed(t.s, check.Finding{
		Kind: check.Rootkit, Rule: "signature", Title: text, Wire: text,
		Why: "The program has words in it that a trojaned version has and a genuine one should not. " +
			"No package vouches for it. Signatures for old systems can be wrong on new ones.",
		Advice:   "Compare with the same file of a clean system; `strings` shows the words.",
		Evidence: map[string]string{"pattern": sig.Pattern, "signature": sig.Origin},
	}, c.path))
}

func (t *trojanSearch) reportChanged(c candidate) {
	text := trojanText(c.path, "package checksum", c.sum.Package)
	t.s.Report(aboutHashed(t.s, check.Finding{
		Kind: check.Suspicious, Severity: 10, Rule: "package-checksum", Title: text, Wire: text,
		Why: "The file is not the one that package " + event.SafeText(c.sum.Package) + " installed. " +
			"Somebody exchanged it: an intruder, or an admin who built it anew without dpkg-divert.",
		Advice:   "Install the package again (`apt install --reinstall`, `dnf reinstall`, `apk fix`) and keep a copy of this file.",
		Evidence: map[string]string{"package": c.sum.Package, "expected_" + c.sum.Algo: c.sum.Hex},
	}, c.path))
}

func (t *trojanSearch) reportStrayed(c candidate) {
	text := trojanText(c.path, "package link", c.strayed)
	t.s.Report(aboutHashed(t.s, check.Finding{
		Kind: check.Suspicious, Severity: 10, Rule: "package-link", Title: text, Wire: text,
		Why: "Package " + event.SafeText(c.strayed) + " installed a symbolic link here, and it leads to a program that no package has. " +
			"Somebody exchanged it: an intruder, or an admin who built the program anew.",
		Advice:   "See where it leads with `ls -l`, and install the package again.",
		Evidence: map[string]string{"package": c.strayed, "link": c.link, "program": c.resolved},
	}, c.path))
}

// sumAs hashes a file in the way that its package did. One that is too large for
// that, as no program that is verified is, has no sum.
func sumAs(ctx context.Context, files *hostfile.FS, p, algo string) (string, error) {
	f, info, err := files.Open(p)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info.Size > maxProgram {
		return "", nil
	}
	h, err := hasher(algo)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(h, io.LimitReader(f, maxProgram)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), ctx.Err()
}

func hasher(algo string) (hash.Hash, error) {
	switch algo {
	case "md5":
		return md5.New(), nil
	case "sha1":
		return sha1.New(), nil
	case "sha224":
		return sha256.New224(), nil
	case "sha256":
		return sha256.New(), nil
	case "sha384":
		return sha512.New384(), nil
	case "sha512":
		return sha512.New(), nil
	}
	return nil, fmt.Errorf("unknown sum %q", algo)
}
