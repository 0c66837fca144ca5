// SPDX-License-Identifier: Apache-2.0

package xmlconf_test

import (
	"fmt"
	"strings"
	"testing"

	"hids/config/fault"
	"hids/config/xmlconf"
	"hids/internal/testenv"
	"os"
	"path/filepath"
)

// sketch writes a tree on one line: name[attr=value]{children} or name(text).
func sketch(nodes []*xmlconf.Node) string {
	var parts []string
	for _, n := range nodes {
		s := n.Name
		for _, a := range n.Attrs {
			s += fmt.Sprintf("[%s=%s]", a.Name, a.Value)
		}
		if len(n.Children) > 0 {
			s += "{" + sketch(n.Children) + "}"
		} else {
			s += fmt.Sprintf("(%s)", n.Text)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func TestDialect(t *testing.T) {
	tests := []struct{ about, in, want string }{
		{"several roots, text around them", "x<a>1</a> y <b>2</b>z", "a(1) b(2)"},
		{"empty file", "", ""},
		{"only text", "no elements", ""},
		{"-- in a comment", "<a><!-- x -- y ---><b>1</b></a>", "a{b(1)}"},
		{"short comment", "<a><! old !><b>1</b></a>", "a{b(1)}"},
		{"comment ends at the first end", "<a><! x --> <b>1</b> !></a>", "a{b(1)}"},
		{"comment joins text", "<a>no<!-- c -->ne</a>", "a(none)"},
		{"CDATA is a comment", "<a>x<![CDATA[y]]>z-->w</a>", "a(xw)"},
		{"entities stay", "<a>&amp; &lt; & x</a>", "a(&amp; &lt; & x)"},
		{"escaped <", `<a>x\<y\</b></a>`, `a(x\<y\</b>)`},
		{"other backslashes", `<a>C:\dir\x\\</a >`, ""},
		{"text is not trimmed", "<a> \t/etc\r\n </a>", "a( \t/etc\r\n )"},
		{"> in text", "<a>x>y</a>", "a(x>y)"},
		{"self-closing", `<a><b/><c x="1"/><d y='2' /></a>`, "a{b() c[x=1]() d[y=2]()}"},
		{"attributes are opaque", `<a x="&amp;' <b" y='"'>1</a>`, `a[x=&amp;' <b][y="](1)`},
		{"blank in a closing tag", "<a>1</a >", "a(1)"},
		{"byte order mark and declaration", "\xef\xbb\xbf<?xml version=\"1.0\"?><a>1</a>", "a(1)"},
		{"Latin-1 and control characters", "<a>caf\xe9\x01\x1b\xef\xbf\xbe</a>", "a(caf\xe9\x01\x1b\xef\xbf\xbe)"},
		{"private code points of the file", "<a>\U0010FF41\U0010FFFF\U0010FE00</a>", "a(\U0010FF41\U0010FFFF\U0010FE00)"},
		{"names are case-sensitive", "<A><a>1</a></A>", "A{a(1)}"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			nodes, faults := xmlconf.Parse("f", []byte(tt.in))
			if tt.want == "" && strings.Contains(tt.in, `\\<`) {
				if !faults.Fatal() {
					t.Error("OSSEC does not close this element")
				}
				return
			}
			if faults.Err() != nil {
				t.Fatalf("faults: %v", faults)
			}
			if got := sketch(nodes); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRejects(t *testing.T) {
	tests := []struct {
		about, in string
		want      []string // "line:column: start of the message"
	}{
		{"bare <", "<a>\n x < y</a>", []string{"2:4: < starts no element"}},
		{"mismatch", "<a>\n<b>1</c>\n</a>", []string{"2:5: closing tag </c>", "2:1: <b> is not closed"}},
		{"not closed", "<a>\n <b>1", []string{"2:2: <b> is not closed"}},
		{"close without open", "</a>", []string{"1:1: closing tag </a>"}},
		{"comment", "<a>1</a>\n<!-- x", []string{"2:1: the comment is not closed"}},
		{"no value", "<a x>1</a><b x='2'>", []string{"1:4: attribute x has no quoted value", "1:11: <b>"}},
		{"no quotes", "<a x=1>1</a>", []string{"1:4: attribute x has no quoted value"}},
		{"blank before =", `<a x ="1">1</a>`, []string{"1:4: attribute x"}},
		{"> in a value", `<a x="1>2">1</a>`, []string{"1:4: the value of attribute x is not closed"}},
		{"twice", `<a x="1" x="2">1</a>`, []string{"1:10: attribute x stands here twice"}},
		{"late declaration", "\n<?xml version='1.0'?><a>1</a>", []string{"2:1: a declaration"}},
		{"NUL", "<a>\x00</a>", []string{"1:4: a NUL byte"}},
		{"tag cut off", "<a><b x='1'", []string{"1:4: the tag <b is not finished"}},
		{"closing tag cut off", "<a>1</a", []string{"1:5: the closing tag is not finished"}},
		{"name with a colon", "<a:b>1</a:b>", []string{"1:1: < starts no element", "1:7: closing tag"}},
		{"too deep", strings.Repeat("<a>", 300), []string{"1:769: elements nest more than 256 deep"}},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			_, faults := xmlconf.Parse("f", []byte(tt.in))
			if tt.about == "no value" {
				tt.want = tt.want[:1] // what is open at the end after other faults is no news
			}
			if len(faults) != len(tt.want) {
				t.Fatalf("%d faults: %v", len(faults), faults)
			}
			for i, ft := range faults {
				if !ft.Fatal || !strings.HasPrefix(ft.Error(), "f:"+tt.want[i]) {
					t.Errorf("fault %v, want %q", ft, tt.want[i])
				}
			}
		})
	}
}

func TestRefusesUTF16AndSize(t *testing.T) {
	for _, in := range []string{"\xff\xfe<\x00a\x00", strings.Repeat(" ", xmlconf.MaxSize+1)} {
		if nodes, faults := xmlconf.Parse("f", []byte(in)); nodes != nil || faults.Err() == nil {
			t.Errorf("%q… was read", in[:2])
		}
	}
}

// Users write C:\dir\ and wonder: the backslash swallows the closing tag.
func TestBackslashBeforeTheClosingTagIsExplained(t *testing.T) {
	_, faults := xmlconf.Parse("f", []byte("<a>\n<b>C:\\dir\\</b>\n</a>"))
	if len(faults) != 1 || !strings.Contains(faults[0].Hint, "(2:10)") {
		t.Errorf("faults: %v", faults)
	}
}

func TestPositions(t *testing.T) {
	nodes, faults := xmlconf.Parse("f", []byte("<a>\n  <b x='1'\n y=\"2\">/etc,<!--\n -->\n/bin</b></a>"))
	if faults != nil {
		t.Fatal(faults)
	}
	b := nodes[0].Children[0]
	slash := strings.LastIndexByte(b.Text, '/')
	for _, tt := range []struct {
		about string
		got   fault.Pos
		want  string
	}{
		{"element", b.Pos, "f:2:3"},
		{"first attribute", b.Attrs[0].Pos, "f:2:6"},
		{"second attribute", b.Attrs[1].Pos, "f:3:2"},
		{"start of the text", b.PosAt(0), "f:3:8"},
		{"text behind a comment", b.PosAt(slash), "f:5:1"},
		{"no text", nodes[0].PosAt(0), "f:1:4"},
	} {
		if tt.got.String() != tt.want {
			t.Errorf("%s: %v, want %s", tt.about, tt.got, tt.want)
		}
	}
}

func TestWarnsOfWhatMeansNothing(t *testing.T) {
	for _, in := range []string{"<a>stray<b>1</b></a>", "<a><b>1</b>stray<c>1</c></a>", "<a><b>1</b><![CDATA[x]]>--></a>", "<a>" + strings.Repeat("x", 8192) + "</a>"} {
		if _, faults := xmlconf.Parse("f", []byte(in)); len(faults) != 1 || faults.Fatal() {
			t.Errorf("%.30q: faults %v", in, faults)
		}
	}
}

func TestStockFilesParse(t *testing.T) {
	files, err := filepath.Glob(testenv.Shared(t, "vectors", "stock") + "/*/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if !strings.HasPrefix(filepath.Base(name), "ossec") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		nodes, faults := xmlconf.Parse(name, data)
		if faults != nil || len(nodes) == 0 {
			t.Errorf("%s: %d roots, faults %v", name, len(nodes), faults)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf<?xml version='1.0'?>\n<ossec_config>\n <syscheck>\n <directories check_all=\"yes\">/etc,/bin</directories>\n<!-- -- --></syscheck></ossec_config>"))
	f.Add([]byte("<a x='&\x01\"' y=\"\U0010FF00\">caf\xe9 \\</a> & <! !></a ><b/>"))
	f.Add([]byte("<a><b>1</c><d e f='></d>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes, faults := xmlconf.Parse("f", data)
		for _, ft := range faults {
			if strings.HasPrefix(ft.Message, "read the elements") {
				t.Fatalf("the filter let through what is no XML: %v", ft)
			}
			if strings.ContainsAny(ft.Error(), "\x1b\x00") {
				t.Fatalf("raw text in %q", ft.Error())
			}
		}
		total := 0
		walk(nodes, func(n *xmlconf.Node) {
			total += len(n.Text) + len(n.Name)
			if n.Pos.Line < 1 || n.Pos.Column < 1 || !strings.HasPrefix(at(data, n.Pos), "<"+n.Name) {
				t.Fatalf("%s is not at %v", n.Name, n.Pos)
			}
			for i := range len(n.Text) {
				if s := at(data, n.PosAt(i)); s == "" || s[0] != n.Text[i] {
					t.Fatalf("byte %d of %q is not at %v", i, n.Text, n.PosAt(i))
				}
			}
		})
		if total > len(data) {
			t.Fatalf("%d bytes came out of %d", total, len(data))
		}
	})
}

func walk(nodes []*xmlconf.Node, visit func(*xmlconf.Node)) {
	for _, n := range nodes {
		visit(n)
		walk(n.Children, visit)
	}
}

// at returns the rest of the line at a position.
func at(data []byte, p fault.Pos) string {
	line := strings.SplitAfter(string(data), "\n")[p.Line-1]
	if p.Column > len(line) {
		return ""
	}
	return line[p.Column-1:]
}
