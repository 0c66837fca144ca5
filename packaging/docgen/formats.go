// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
)

// format is a page of section 5, and the page of docs that it is made of.
type format struct {
	name, source, short string
	also                []string // other names of the same page
}

func formatPages() []format {
	return []format{
		{"hids.conf", "configure.md", "configuration of hids, in ossec.conf and hids.conf", []string{"hids-ossec.conf"}},
		{"hids-events", "events.md", "events of hids, one JSON object a line", nil},
		{"hids-ar.conf", "ar.conf.md", "table of active responses", nil},
		{"hids-policy", "policy.md", "policy files of hids rootcheck", nil},
		{"hids-signatures", "signatures.md", "signature files of hids rootcheck", nil},
	}
}

func formats(pages, dir string) error {
	for _, f := range formatPages() {
		text, err := os.ReadFile(filepath.Join(pages, f.source))
		if err != nil {
			return err
		}
		page := md2man.Render([]byte(f.markdown(string(text))))
		if err := os.WriteFile(filepath.Join(dir, f.name+".5"), page, 0o644); err != nil {
			return err
		}
		for _, name := range f.also {
			if err := os.WriteFile(filepath.Join(dir, name+".5"), []byte(".so man5/"+f.name+".5\n"), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	title = regexp.MustCompile(`(?m)\A# .*\n`)
	fence = regexp.MustCompile("(?m)^```[a-z].*$")
	link  = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
)

// markdown makes a manual page of a page of docs: the title and the date that
// man wants, the name, headings in capitals, and links as manual pages have
// them.
func (f format) markdown(text string) string {
	text = title.ReplaceAllString(text, "")
	text = fence.ReplaceAllString(text, "```")
	text = link.ReplaceAllStringFunc(text, f.reference)
	text = tables(text)
	inside := false
	var out strings.Builder
	fmt.Fprintf(&out, "%% %s 5 \"Jan 2026\" \"hids\" \"Host intrusion detection\"\n", strings.ToUpper(f.name))
	fmt.Fprintf(&out, "# NAME\n\n%s - %s\n\n# DESCRIPTION\n\n", f.name, f.short)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		}
		if heading, ok := strings.CutPrefix(line, "## "); ok && !inside {
			line = "# " + strings.ToUpper(plain(heading))
		} else if heading, ok := strings.CutPrefix(line, "### "); ok && !inside {
			line = "## " + plain(heading)
		}
		out.WriteString(line)
	}
	out.WriteString("\n# SEE ALSO\n\n**hids**(1)" + f.others() + "\n")
	return out.String()
}

// plain takes the marks out of a heading, which md2man would take for HTML.
func plain(heading string) string {
	return strings.NewReplacer("`", "", "<", "", ">", "").Replace(heading)
}

// tables makes each row of a table a term with its explanation: a terminal has
// no room for four columns.
func tables(text string) string {
	var out strings.Builder
	var head []string
	for line := range strings.Lines(text) {
		cells := row(line)
		switch {
		case cells == nil:
			if head != nil {
				out.WriteString("\n")
			}
			head = nil
			out.WriteString(line)
		case head == nil:
			head = cells
		case strings.HasPrefix(cells[0], "---"):
		default:
			out.WriteString(definition(head, cells))
		}
	}
	return out.String()
}

// row splits a row of a table; nil is another line.
func row(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") {
		return nil
	}
	cells := strings.Split(strings.ReplaceAll(strings.Trim(line, "|"), `\|`, "\x00"), "|")
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
	}
	return cells
}

// definition puts the last cell first: it is the explanation. Those between are
// named by the head of their column.
func definition(head, cells []string) string {
	last := len(cells) - 1
	text := "**" + strings.NewReplacer("`", "", "*", `\*`, "_", `\_`, "<", `\<`).Replace(cells[0]) + "**\n: " + cells[last]
	for i := 1; i < last; i++ {
		if cells[i] != "" && head[i] != "" {
			text += "; " + head[i] + ": " + cells[i]
		}
	}
	return text + "\n\n"
}

// reference turns a link to a page that is a manual page, too, into its name; of
// others within docs the words stay, of those to the web the address.
func (f format) reference(text string) string {
	m := link.FindStringSubmatch(text)
	for _, other := range formatPages() {
		if m[2] == other.source {
			return "**" + other.name + "**(5)"
		}
	}
	if strings.Contains(m[2], "://") {
		return m[1] + " <" + m[2] + ">"
	}
	return m[1]
}

func (f format) others() string {
	var list strings.Builder
	for _, other := range formatPages() {
		if other.name != f.name {
			list.WriteString(", **" + other.name + "**(5)")
		}
	}
	return list.String()
}
