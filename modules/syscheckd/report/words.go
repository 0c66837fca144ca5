// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hids/modules/event"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
)

// The extended attributes that have words of their own.
const (
	capabilityName = "security.capability"
	selinuxName    = "security.selinux"
	aclName        = "system.posix_acl_access"
	defaultACLName = "system.posix_acl_default"
)

// shortSum is how many hex digits of a sum a person is shown.
const shortSum = 8

// Sentence tells a change in one sentence, safe to print.
func Sentence(c *scan.Change, names Names) string {
	path := event.SafeText(c.Path)
	what := Detail(c, names)
	switch c.Action {
	case scan.Created:
		return path + " was added: " + what
	case scan.Deleted:
		return path + " was deleted: it was " + what
	case scan.Moved:
		return event.SafeText(c.From) + " was moved to " + path + strings.TrimPrefix(what, "from "+event.SafeText(c.From))
	}
	return path + " changed: " + what
}

// Detail tells what changed, without the path: "mode 0644 → 4755, owner root →
// nobody"; of what is new or gone, what it is.
func Detail(c *scan.Change, names Names) string {
	switch c.Action {
	case scan.Created:
		return Describe(c.New, names)
	case scan.Deleted:
		return Describe(c.Old, names)
	}
	parts := Fields(c.Fields, names)
	if c.Action == scan.Moved {
		parts = append([]string{"from " + event.SafeText(c.From)}, parts...)
	}
	return strings.Join(parts, ", ")
}

// Describe tells what a file is: "file, 12 B, mode 0644, root:root".
func Describe(r *record.Record, names Names) string {
	if r == nil {
		return "unknown"
	}
	parts := []string{strings.ReplaceAll(r.Type.String(), "_", " ")}
	switch r.Type {
	case record.File:
		parts = append(parts, Size(r.Size), "mode "+record.ModeText(r.Mode))
	case record.Symlink:
		parts[0] += " to " + event.SafeText(r.Target)
	default:
		parts = append(parts, "mode "+record.ModeText(r.Mode))
	}
	parts = append(parts, Owner(names.User, r.UID)+":"+Owner(names.Group, r.GID))
	for _, x := range r.Xattrs {
		if x.Name == capabilityName {
			parts = append(parts, "capabilities "+Capabilities(x.Value))
		}
	}
	return strings.Join(parts, ", ")
}

// Owner is the name of a user or group, safe to print, or else its number.
func Owner(f func(uint32) string, id uint32) string {
	if name := lookup(f, id); name != "" {
		return event.SafeText(name)
	}
	return strconv.FormatUint(uint64(id), 10)
}

// Fields tells what differs, one part an attribute. Of several sums the
// strongest stands for all.
func Fields(fields []record.Field, names Names) []string {
	best := bestSum(fields)
	var parts []string
	for _, f := range fields {
		if isSum(f.Name) && f.Name != best {
			continue
		}
		parts = append(parts, fieldText(f, names))
	}
	return parts
}

func isSum(name string) bool {
	return name == record.FieldMD5 || name == record.FieldSHA1 || name == record.FieldSHA256
}

func bestSum(fields []record.Field) string {
	best := ""
	for _, f := range fields { // in the order MD5, SHA-1, SHA-256
		if isSum(f.Name) {
			best = f.Name
		}
	}
	return best
}

func fieldText(f record.Field, names Names) string {
	if name, ok := strings.CutPrefix(f.Name, record.FieldXattr); ok {
		return xattrText(name, f)
	}
	switch {
	case isSum(f.Name):
		return arrow(f.Name, short(f.Before), short(f.After))
	case f.Name == record.FieldUID:
		return arrow("owner", ownerText(names.User, f.Before), ownerText(names.User, f.After))
	case f.Name == record.FieldGID:
		return arrow("group", ownerText(names.Group, f.Before), ownerText(names.Group, f.After))
	}
	return arrow(f.Name, event.SafeText(f.Before), event.SafeText(f.After))
}

func arrow(name, before, after string) string {
	return name + " " + orNone(before) + " → " + orNone(after)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func short(sum string) string {
	if len(sum) <= shortSum {
		return sum
	}
	return sum[:shortSum] + "…"
}

func ownerText(f func(uint32) string, id string) string {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return event.SafeText(id) // a SID
	}
	return Owner(f, uint32(n))
}

func xattrText(name string, f record.Field) string {
	switch name {
	case capabilityName:
		return arrow("capabilities", Capabilities(xattrValue(f.Before)), Capabilities(xattrValue(f.After)))
	case selinuxName:
		return arrow("SELinux label", label(f.Before), label(f.After))
	case aclName:
		return "access list " + verb(f)
	case defaultACLName:
		return "default access list " + verb(f)
	}
	return "attribute " + event.SafeText(name) + " " + verb(f)
}

func verb(f record.Field) string {
	switch {
	case f.Before == "":
		return "added"
	case f.After == "":
		return "removed"
	}
	return "changed"
}

func label(text string) string {
	value := strings.TrimRight(string(xattrValue(text)), "\x00")
	if !utf8.ValidString(value) {
		return text
	}
	return event.SafeText(value)
}

// Size tells bytes the way people read them: "12 B", "4.0 KiB".
func Size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n)/1024, 0
	for value >= 1023.95 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + units[unit]
}

var units = [...]string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Count writes a number with a comma before each three digits.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Row is one attribute of a file, as text, safe to print.
type Row struct{ Name, Value string }

// Rows tells all that a record knows, one row an attribute.
func Rows(r *record.Record, names Names) []Row {
	rows := []Row{{"type", strings.ReplaceAll(r.Type.String(), "_", " ")}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, Row{name, value})
		}
	}
	if r.Type == record.File {
		add("size", Count(r.Size)+" bytes")
	}
	add("target", event.SafeText(r.Target))
	add("mode", record.ModeText(r.Mode))
	add("owner", Owner(names.User, r.UID))
	add("group", Owner(names.Group, r.GID))
	add("modified", stamp(r.Mtime).Format(time.RFC3339Nano))
	add("status changed", stamp(r.Ctime).Format(time.RFC3339Nano))
	add("inode", strconv.FormatUint(r.Inode, 10))
	add("links", strconv.FormatUint(r.Links, 10))
	if h := hash(r); h != nil {
		add("md5", h.MD5)
		add("sha1", h.SHA1)
		add("sha256", h.SHA256)
	}
	add("attributes", flags(r))
	for _, x := range r.Xattrs {
		add(xattrRow(x))
	}
	add("note", notes(r))
	return rows
}

func xattrRow(x record.Xattr) (name, value string) {
	switch x.Name {
	case capabilityName:
		return "capabilities", Capabilities(x.Value)
	case selinuxName:
		return "SELinux label", event.SafeText(strings.TrimRight(string(x.Value), "\x00"))
	}
	return event.SafeText(x.Name), "0x" + hex.EncodeToString(x.Value)
}
