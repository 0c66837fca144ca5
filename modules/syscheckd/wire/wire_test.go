// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hids/config"
	"hids/modules/syscheckd/record"
)

// recorded is a line of a recording of a C daemon: one datagram.
type recorded struct {
	Base64 string `json:"b64"`
}

// TestRecordings writes each file message that OSSEC 2.8.3 and 4.3.0 were seen
// to send, from the values in it, and demands the same bytes.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("testdata/syscheck-*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		n := Six
		if strings.HasSuffix(file, "-4.3.0.jsonl") {
			n = Seven
		}
		count := 0
		for _, datagram := range datagrams(t, file) {
			text, isFile := strings.CutPrefix(strings.TrimSuffix(datagram, "\x00"), prefix)
			if !isFile || text == "syscheck-db-completed" || strings.HasPrefix(text, "-1 ") {
				continue
			}
			count++
			again(t, file, text, n)
		}
		if count == 0 {
			t.Errorf("%s: no file message", file)
		}
	}
}

// again writes a message from its parts. OSSEC's two mistakes are left out: the
// cut of a long name, and the newline inside a name.
func again(t *testing.T, file, text string, n Fields) {
	sum, rest, _ := strings.Cut(text, " ")
	name, diff, _ := strings.Cut(rest, "\n")
	if len(sum)+1+len(name) >= maxText || strings.Contains(name, "newline") {
		return
	}
	r, checks := parse(t, sum)
	got := string(Changed(name, r, checks, n, diff))
	if want := prefix + text; got != want && !needsEscape(name) {
		t.Errorf("%s:\n got %q\nwant %q", file, got, want)
	}
}

func datagrams(t *testing.T, file string) []string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var list []string
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var line recorded
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		raw, err := base64.StdEncoding.DecodeString(line.Base64)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, string(raw))
	}
	return list
}

// parse reads a sum back. What is 0 or xxx was not watched.
func parse(t *testing.T, sum string) (*record.Record, config.Check) {
	t.Helper()
	f := strings.Split(sum, ":")
	number := func(i int) uint64 {
		n, err := strconv.ParseUint(f[i], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", sum, err)
		}
		return n
	}
	r := &record.Record{Size: int64(number(0)), Mode: uint32(number(1)), UID: uint32(number(2)), GID: uint32(number(3))}
	set := func(i int, has record.Has, to []byte) {
		if i < len(f) && f[i] != unknownSum {
			hex.Decode(to, []byte(f[i]))
			r.Has |= has
		}
	}
	set(4, record.HasMD5, r.MD5[:])
	set(5, record.HasSHA1, r.SHA1[:])
	set(6, record.HasSHA256, r.SHA256[:])
	return r, config.CheckAll
}

func TestUnwatchedAttributes(t *testing.T) {
	r := &record.Record{Type: record.File, Size: 14, Mode: 0o100644, UID: 11, GID: 22, Has: record.HasSums}
	for checks, want := range map[config.Check]string{
		config.CheckSize:  "14:0:0:0:xxx:xxx",
		config.CheckPerm:  "0:33188:0:0:xxx:xxx",
		config.CheckOwner: "0:0:11:0:xxx:xxx",
		config.CheckGroup: "0:0:0:22:xxx:xxx",
		config.CheckMD5:   "0:0:0:0:00000000000000000000000000000000:xxx",
	} {
		if got := Sum(r, checks, Six); got != want {
			t.Errorf("checks %#x: %s, want %s", checks, got, want)
		}
	}
	if got, want := Sum(r, config.CheckSize, Seven), "14:0:0:0:xxx:xxx:xxx"; got != want {
		t.Errorf("seven fields: %s, want %s", got, want)
	}
}

func TestName(t *testing.T) {
	for path, want := range map[string]string{
		"/etc/passwd":        "/etc/passwd",
		"/tmp/new\nline":     `/tmp/new\x0aline`,
		"/tmp/esc\x1b[2J":    `/tmp/esc\x1b[2J`,
		"/tmp/latin1-\xe9":   "/tmp/latin1-\xe9",
		`/tmp/back\slash`:    `/tmp/back\slash`,
		`/tmp/like\x0aline`:  `/tmp/like\x5cx0aline`,
		"/tmp/both\\and\x01": `/tmp/both\x5cand\x01`,
	} {
		if got := Name(path, maxText); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

// TestLongNames: names that OSSEC cuts to the same text stay apart, and a
// deletion is told under the name of the file.
func TestLongNames(t *testing.T) {
	r := &record.Record{Type: record.File, Has: record.HasSums}
	long := "/" + strings.Repeat("d", 2000)
	a, b := File(long+"/a", r, config.CheckAll, Seven), File(long+"/b", r, config.CheckAll, Seven)
	if string(a) == string(b) {
		t.Error("two long names are one")
	}
	if got := len(a) - len(prefix); got != maxText {
		t.Errorf("%d bytes of text, want %d", got, maxText)
	}
	_, name, _ := strings.Cut(string(a), " ")
	if got, want := string(Deleted(long+"/a", r, config.CheckAll, Seven)), prefix+"-1 "+name; got != want {
		t.Errorf("deletion:\n got %q\nwant %q", got, want)
	}
}

func TestLongDiffIsCut(t *testing.T) {
	m := Changed("/f", &record.Record{}, config.CheckAll, Seven, strings.Repeat("x", 10000))
	if len(m) != maxMessage {
		t.Errorf("%d bytes, want %d", len(m), maxMessage)
	}
}

// FuzzName holds that names are short, on one line, and different for
// different paths.
func FuzzName(f *testing.F) {
	f.Add("/etc/passwd", "/etc/shadow")
	f.Add("/a\nb", `/a\x0ab`)
	f.Add(strings.Repeat("x", 1000)+"a", strings.Repeat("x", 1000)+"b")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := Name(a, 700), Name(b, 700)
		if len(x) > 700 || strings.ContainsAny(x, "\x00\n\r\x1b\x7f") {
			t.Errorf("%q is not safe: %q", a, x)
		}
		if a != b && x == y {
			t.Errorf("%q and %q are both %q", a, b, x)
		}
	})
}
