// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"hids/modules/event"
	"hids/modules/syscheckd/record"
)

// Exporter writes records for other tools.
type Exporter interface {
	// Write writes the record of one path.
	Write(path string, r *record.Record) error
}

// ExportFormats names the formats of NewExporter.
func ExportFormats() []string { return []string{"json", "mtree", "sha256sum"} }

// NewExporter returns the exporter for a format:
//
//	json       one object a line, with the fields of event.File
//	mtree      mtree(5), as mtree -f of NetBSD, FreeBSD and libarchive read it
//	sha256sum  what sha256sum --check reads: regular files with a SHA-256 sum only
//
// Any other name is an error.
func NewExporter(format string, w io.Writer, names Names) (Exporter, error) {
	switch format {
	case "json":
		return &jsonExport{json.NewEncoder(w), names}, nil
	case "mtree":
		_, err := io.WriteString(w, "#mtree\n")
		return mtreeExport{w}, err
	case "sha256sum":
		return sumExport{w}, nil
	}
	return nil, fmt.Errorf("unknown format %q", format)
}

type jsonExport struct {
	enc   *json.Encoder
	names Names
}

func (e *jsonExport) Write(path string, r *record.Record) error {
	return e.enc.Encode(struct {
		*event.File
		Links uint64 `json:"links"`
		Flags string `json:"attributes,omitempty"`
		Marks string `json:"note,omitempty"`
		Rdev  uint64 `json:"rdev,omitempty"`
	}{File(path, r, e.names), r.Links, flags(r), notes(r), r.Rdev})
}

func flags(r *record.Record) string {
	if r.Has&record.HasFlags == 0 {
		return ""
	}
	return record.FlagNames(r.Flags & r.FlagsMask)
}

// notes tells what was odd when a record was made.
func notes(r *record.Record) string {
	var out []string
	for _, n := range []struct {
		mark record.Mark
		text string
	}{
		{record.MarkChanging, "changed while it was read"},
		{record.MarkUnread, "could not be read"},
		{record.MarkTooLarge, "larger than max_file_size, not read"},
		{record.MarkTargetSums, "sums of the target"},
	} {
		if r.Marks&n.mark != 0 {
			out = append(out, n.text)
		}
	}
	return strings.Join(out, "; ")
}

type sumExport struct{ w io.Writer }

// Write escapes a name as sha256sum does: a backslash in front of the line
// says that \\, \n and \r stand for what they name.
func (e sumExport) Write(path string, r *record.Record) error {
	if r.Type != record.File || r.Has&record.HasSHA256 == 0 {
		return nil
	}
	prefix := ""
	if strings.ContainsAny(path, "\\\n\r") {
		prefix = `\`
		path = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(path)
	}
	_, err := fmt.Fprintf(e.w, "%s%s  %s\n", prefix, hex.EncodeToString(r.SHA256[:]), path)
	return err
}

type mtreeExport struct{ w io.Writer }

func (e mtreeExport) Write(path string, r *record.Record) error {
	words := []string{"." + vis(path), "type=" + mtreeType(r.Type), "mode=" + record.ModeText(r.Mode),
		fmt.Sprintf("uid=%d gid=%d nlink=%d", r.UID, r.GID, r.Links)}
	t := time.Unix(0, r.Mtime)
	words = append(words, fmt.Sprintf("time=%d.%09d", t.Unix(), t.Nanosecond()))
	switch r.Type {
	case record.File:
		words = append(words, fmt.Sprintf("size=%d", r.Size))
		words = append(words, mtreeSums(r)...)
	case record.Symlink:
		words = append(words, "link="+vis(r.Target))
	}
	_, err := io.WriteString(e.w, strings.Join(words, " ")+"\n")
	return err
}

func mtreeType(t record.Type) string {
	switch t {
	case record.Symlink:
		return "link"
	case record.CharDevice:
		return "char"
	case record.BlockDevice:
		return "block"
	}
	return t.String()
}

func mtreeSums(r *record.Record) []string {
	var out []string
	if r.Has&record.HasMD5 != 0 {
		out = append(out, "md5digest="+hex.EncodeToString(r.MD5[:]))
	}
	if r.Has&record.HasSHA1 != 0 {
		out = append(out, "sha1digest="+hex.EncodeToString(r.SHA1[:]))
	}
	if r.Has&record.HasSHA256 != 0 {
		out = append(out, "sha256digest="+hex.EncodeToString(r.SHA256[:]))
	}
	return out
}

// vis writes a name as mtree(5) wants it, the octal form of vis(3): whatever is
// not plain ASCII, blanks, backslash, # and the characters of glob(7) are \ooo.
func vis(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`\#*?[=`, c) >= 0 {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
