// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path"
	"slices"
	"strings"

	"hids/config/match"
	"hids/config/xmlconf"
)

// checkBits are the attributes that switch what is compared.
var checkBits = map[string]Check{
	"check_all":       CheckAll,
	"check_sum":       CheckSums,
	"check_size":      CheckSize,
	"check_perm":      CheckPerm,
	"check_owner":     CheckOwner,
	"check_group":     CheckGroup,
	"check_md5sum":    CheckMD5,
	"check_sha1sum":   CheckSHA1,
	"check_sha256sum": CheckSHA256,
	"check_mtime":     CheckMtime,  // Wazuh's
	"check_inode":     CheckInode,  // Wazuh's
	"check_attrs":     CheckAttrs,  // Wazuh's
	"check_xattrs":    CheckXattrs, // ours, as those below
	"check_links":     CheckLinks,
	"check_target":    CheckTarget,
}

// directoryAttrs are the other attributes.
var directoryAttrs = strings.Fields(`realtime whodata report_changes follow_symbolic_link no_recurse
	recursion_level restrict diff_size_limit tags`)

// directories reads one <directories>. As in OSSEC 4.3 sha256 is on unless an
// attribute switches it off, "no" takes away what an earlier attribute gave,
// and an entry that checks nothing is a fault. Without any attribute, which
// only Wazuh takes, everything is checked.
func (l *loader) directories(n *xmlconf.Node) {
	d := Directory{Checks: CheckSHA256, RecursionLevel: -1, Remote: l.src.remote}
	if len(n.Attrs) == 0 {
		d.Checks = CheckAll
	}
	for _, a := range n.Attrs {
		l.directoryAttr(&d, a)
	}
	if d.Checks == 0 {
		l.bad(n.Pos, `add check_all="yes"`, "<directories> checks nothing")
		return
	}
	pieces := list(n)
	if len(pieces) == 0 {
		l.bad(n.Pos, "take it out, or write a path", "<directories> names no folder")
	}
	for _, p := range pieces {
		l.addDirectory(d, p)
	}
}

func (l *loader) directoryAttr(d *Directory, a xmlconf.Attr) {
	if bits, ok := checkBits[a.Name]; ok {
		l.checkAttr(d, a, bits)
		return
	}
	switch a.Name {
	case "realtime":
		l.flagAttr(&d.Realtime, a)
	case "whodata":
		l.whodata(d, a)
	case "report_changes":
		l.flagAttr(&d.ReportChanges, a)
	case "follow_symbolic_link":
		l.flagAttr(&d.FollowSymlink, a)
	case "no_recurse":
		var stop bool
		if l.flagAttr(&stop, a); stop {
			d.RecursionLevel = 0
		}
	case "recursion_level":
		l.recursionLevel(d, a)
	case "restrict":
		l.restrict(d, a)
	case "diff_size_limit":
		l.diffSizeLimit(d, a)
	case "tags":
		l.tags(d, a)
	default:
		hint := strings.NewReplacer("<", "", ">", "").Replace(l.suggest(a.Name, attrNames))
		l.bad(a.Pos, hint, "unknown attribute %s of <directories>", a.Name)
	}
}

func attrNames() []string {
	known := slices.Clone(directoryAttrs)
	for name := range checkBits {
		known = append(known, name)
	}
	slices.Sort(known)
	return known
}

func (l *loader) checkAttr(d *Directory, a xmlconf.Attr, bits Check) {
	yes, ok := l.yesNo(a.Name, a.Value, a.Pos)
	switch {
	case !ok:
	case yes:
		d.Checks |= bits
	case a.Name == "check_all":
		d.Checks = 0
	default:
		d.Checks &^= bits
	}
}

func (l *loader) flagAttr(target *bool, a xmlconf.Attr) {
	if yes, ok := l.yesNo(a.Name, a.Value, a.Pos); ok {
		*target = yes
	}
}

// whodata is Wazuh's real time with who did it, which no system tells hids.
func (l *loader) whodata(d *Directory, a xmlconf.Attr) {
	l.flagAttr(&d.Whodata, a)
	if !d.Whodata {
		return
	}
	d.Realtime = true
	l.warn(a.Pos, `write realtime="yes"`, "whodata is watched in real time; who did it is not told")
}

// maxRecursion is Wazuh's limit for recursion_level.
const maxRecursion = 320

func (l *loader) recursionLevel(d *Directory, a xmlconf.Attr) {
	level, ok := number(a.Value, maxRecursion)
	if !ok {
		l.bad(a.Pos, "write 0 to 320; 0 is the folder's own entries", "recursion_level is %.60q", a.Value)
		return
	}
	d.RecursionLevel = int(level)
}

func (l *loader) diffSizeLimit(d *Directory, a xmlconf.Attr) {
	size, ok := parseSize(a.Value)
	if !ok {
		l.bad(a.Pos, "write a number and a unit, as 50MB", "diff_size_limit is %.60q", a.Value)
		return
	}
	d.DiffSizeLimit = size
}

func (l *loader) tags(d *Directory, a xmlconf.Attr) {
	for tag := range strings.SplitSeq(a.Value, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			d.Tags = append(d.Tags, tag)
		}
	}
}

// restrict reads the pattern that the whole path of a file must match. OSSEC
// drops a pattern that does not compile and watches everything; one that can
// never match would watch nothing.
func (l *loader) restrict(d *Directory, a xmlconf.Attr) {
	m, ok := l.pattern("restrict", l.windows(a.Value), a.Pos)
	if ok && !m.Everything() {
		d.Restrict = m
	}
}

// pattern compiles an OS_Match pattern.
func (l *loader) pattern(name, text string, pos Pos) (*match.Match, bool) {
	m, err := match.Compile(text)
	if err != nil {
		l.bad(pos, "", "%s: %v", name, err)
		return nil, false
	}
	if alt := m.Impossible(); alt != "" {
		l.bad(pos, "^ may only come first and $ last in an alternative", "%s %.60q can never match: %.60q", name, text, alt)
		return nil, false
	}
	return m, true
}

func (l *loader) addDirectory(d Directory, p piece) {
	name, ok := l.watchPath(p)
	if !ok {
		return
	}
	d.Path, d.Pos = name, p.pos
	if _, err := path.Match(name, ""); err != nil {
		l.bad(p.pos, "close every [ with a ]", "glob %.60q is malformed", name)
		return
	}
	if before, twice := l.repeated("directories", name, p.pos); twice {
		l.warn(p.pos, "", "%.60q is listed at %s already; the options there count", name, before)
		return
	}
	l.cfg.Syscheck.Directories = append(l.cfg.Syscheck.Directories, d)
}

// watchPath makes an entry absolute and clean. OSSEC's daemon works in /, so a
// relative path is below it.
func (l *loader) watchPath(p piece) (string, bool) {
	name := l.windows(p.text)
	switch {
	case l.opts.Windows:
		return path.Clean(name), true
	case path.IsAbs(name):
		return path.Clean(name), true
	case isWindowsPath(name):
		l.warn(p.pos, "", "%.60q is a path of Windows, left out", name)
		return "", false
	default:
		l.warn(p.pos, "write the whole path", "%.60q is taken for %.60q", name, path.Join("/", name))
		return path.Join("/", name), true
	}
}

// isWindowsPath tells C:\… and %VARIABLE%… from other names.
func isWindowsPath(s string) bool {
	return strings.HasPrefix(s, "%") || strings.HasPrefix(s, `\\`) ||
		(len(s) >= 2 && s[1] == ':' && (s[0]|0x20) >= 'a' && (s[0]|0x20) <= 'z')
}

// windows expands %VARIABLES% and turns backslashes into slashes, as OSSEC 4.3
// does on Windows; elsewhere text stays as it is. What is not set stays too.
func (l *loader) windows(s string) string {
	if !l.opts.Windows {
		return s
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "%")
		b.WriteString(before)
		if !ok {
			break
		}
		name, after, ok := strings.Cut(rest, "%")
		if !ok {
			b.WriteString("%" + rest)
			break
		}
		if v := l.opts.Getenv(name); v != "" {
			b.WriteString(v)
		} else {
			b.WriteString("%" + name + "%")
		}
		s = after
	}
	return strings.ReplaceAll(b.String(), `\`, "/")
}
