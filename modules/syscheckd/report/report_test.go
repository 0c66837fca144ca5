// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
)

func names(id uint32) string {
	switch id {
	case 0:
		return "root"
	case 65534:
		return "nobody"
	}
	return ""
}

func testNames() Names { return Names{User: names, Group: names} }

func file(change func(*record.Record)) *record.Record {
	r := &record.Record{
		Type: record.File, Size: 12, Mode: 0o100644, Inode: 7, Device: 3, Links: 1, Mtime: 1e18, Ctime: 1e18,
		Has: record.HasSums | record.HasXattrs,
	}
	if change != nil {
		change(r)
	}
	return r
}

func change(a scan.Action, path string, before, after *record.Record) *scan.Change {
	c := &scan.Change{Action: a, Path: path, Old: before, New: after}
	if before != nil && after != nil {
		c.Fields = record.Diff(before, after, config.CheckAll)
	}
	return c
}

// capNetRaw is the value of security.capability after setcap cap_net_raw=ep.
func capNetRaw() []byte {
	return []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

func TestList(t *testing.T) {
	content := func(r *record.Record) { r.Size, r.SHA256[0], r.SHA1[0], r.MD5[0] = 15, 0xab, 1, 2 }
	moved := change(scan.Moved, "/etc/b/new", file(nil), file(nil))
	moved.From = "/tmp/old\n"
	changes := []*scan.Change{
		change(scan.Updated, "/etc/passwd", file(nil), file(content)),
		change(scan.AttributesModified, "/etc/b/su", file(nil), file(func(r *record.Record) { r.Mode, r.UID, r.GID = 0o104755, 65534, 1000 })),
		change(scan.AttributesModified, "/etc/b/ping", file(nil), file(func(r *record.Record) {
			r.Xattrs = []record.Xattr{{Name: capabilityName, Value: capNetRaw()}}
		})),
		moved,
		change(scan.Created, "/etc/\x1b[2Jevil\n", nil, file(nil)),
		change(scan.Created, "/etc/link", nil, &record.Record{Type: record.Symlink, Target: "/a\tb", UID: 5}),
		change(scan.Deleted, "/gone", file(nil), nil),
		change(scan.Updated, "/etc/link2", &record.Record{Type: record.Symlink, Target: "a", Mode: 0o777}, file(nil)),
	}
	var out strings.Builder
	l := NewList(&out, testNames(), Colours{})
	for i, c := range changes {
		in := Inside{}
		if i == 0 {
			in = Inside{Diff: "--- /etc/passwd\n+++ /etc/passwd\n@@ -1 +1 @@\n-a\n+b\n"}
		}
		if i == 7 {
			in = Inside{Why: "binary content"}
		}
		if err := l.Add(c, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `/
  - gone  file, 12 B, mode 0644, root:root

/etc
  + \x1b[2Jevil\n  file, 12 B, mode 0644, root:root
  + link           symlink to /a\tb, 5:root
  ~ link2          type symlink → file, target a → none, mode 0777 → 0644
      (no diff: binary content)
  ~ passwd         size 12 → 15, sha256 00000000… → ab000000…
      --- /etc/passwd
      +++ /etc/passwd
      @@ -1 +1 @@
      -a
      +b

/etc/b
  > new   from /tmp/old\n
  ~ ping  capabilities none → cap_net_raw=ep
  ~ su    mode 0644 → 4755, owner root → nobody, group root → 1000
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("list (-want +got):\n%s", d)
	}
}

func TestEvent(t *testing.T) {
	m := Maker{Host: "box", Trigger: "scan-now", Names: testNames(), Now: func() time.Time { return time.Unix(1e9, 0) }}
	for _, test := range []struct {
		name   string
		change *scan.Change
		want   string
	}{
		{"changed", change(scan.AttributesModified, "/bin/\x1bsu", file(nil), file(func(r *record.Record) { r.Mode = 0o104755 })), `{
			"@timestamp": "2001-09-09T01:46:40Z",
			"message": "/bin/\\x1bsu changed: mode 0644 → 4755",
			"host": {"name": "box"},
			"event": {"module": "syscheck", "kind": "event", "category": ["file"], "type": ["change"],
				"action": "attributes_modified", "outcome": "success", "severity": 10},
			"rule": {"id": "550", "level": 7, "name": "Integrity checksum changed"},
			"hids": {"changed": ["mode"], "before": {"mode": "0644"}, "after": {"mode": "4755"}, "diff": "d", "trigger": "scan-now"}}`},
		{"created", change(scan.Created, "/n", nil, file(nil)), `{
			"@timestamp": "2001-09-09T01:46:40Z",
			"message": "/n was added: file, 12 B, mode 0644, root:root",
			"host": {"name": "box"},
			"event": {"module": "syscheck", "kind": "event", "category": ["file"], "type": ["creation"],
				"action": "created", "outcome": "success", "severity": 5},
			"rule": {"id": "554", "level": 5, "name": "File added to the system"},
			"hids": {"diff": "d", "trigger": "scan-now"}}`},
		{"deleted", change(scan.Deleted, "/n", file(nil), nil), `{
			"@timestamp": "2001-09-09T01:46:40Z",
			"message": "/n was deleted: it was file, 12 B, mode 0644, root:root",
			"host": {"name": "box"},
			"event": {"module": "syscheck", "kind": "event", "category": ["file"], "type": ["deletion"],
				"action": "deleted", "outcome": "success", "severity": 7},
			"rule": {"id": "553", "level": 7, "name": "File deleted"},
			"hids": {"diff": "d", "trigger": "scan-now"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := m.Event(test.change, Inside{Diff: "d"})
			if e.Event.ID == "" || e.Event.ID != m.Event(test.change, Inside{}).Event.ID {
				t.Errorf("id %q is not that of the change", e.Event.ID)
			}
			e.Event.ID, e.File = "", nil // the file has a test of its own
			got, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(decode(t, test.want), decode(t, string(got))); d != "" {
				t.Errorf("event (-want +got):\n%s", d)
			}
		})
	}
}

func decode(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestFile(t *testing.T) {
	got, err := json.Marshal(File("/a\x00b", file(func(r *record.Record) {
		r.Has = record.HasMD5
		r.Xattrs = []record.Xattr{{Name: "user.\n", Value: []byte{1}}}
	}), testNames()))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"path": "/a\\x00b", "type": "file", "size": 12, "mode": "0644", "uid": "0", "gid": "0", "owner": "root",
		"group": "root", "mtime": "2001-09-09T01:46:40Z", "ctime": "2001-09-09T01:46:40Z", "inode": "7", "device": "3",
		"hash": {"md5": "00000000000000000000000000000000"}, "xattrs": {"user.\\n": "01"}}`
	if d := cmp.Diff(decode(t, want), decode(t, string(got))); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}
}

func TestCapabilities(t *testing.T) {
	for _, test := range []struct {
		name  string
		value []byte
		want  string
	}{
		{"effective and permitted", capNetRaw(), "cap_net_raw=ep"},
		{"two sets", []byte{0, 0, 0, 2, 1, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "cap_checkpoint_restore=p cap_chown=ip cap_dac_override=i"},
		{"with a root of its own", append([]byte{1, 0, 0, 3}, append(capNetRaw()[4:], 1, 0, 0, 0)...), "cap_net_raw=ep"},
		{"unknown", []byte{0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0}, "cap_63=p"},
		{"none", []byte{0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "="},
		{"short", []byte{1, 2}, "0x0102"},
		{"empty", nil, ""},
	} {
		if got := Capabilities(test.value); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	r := &scan.Result{Files: 12345, Bytes: 3 << 30, Elapsed: 2 * time.Second, Faults: 5, Unread: 4}
	got := Summary(r, Totals{Added: 1, Changed: 2, Moved: 1234})
	want := "12,345 files, 3.0 GiB in 2.00 s (1.5 GiB/s): 1 added, 2 changed, 0 deleted, 1,234 moved, 4 not readable"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Summary(&scan.Result{Files: 1}, Totals{}); !strings.HasPrefix(got, "1 file, 0 B in 0.00 s (0 B/s)") {
		t.Errorf("nothing read: %s", got)
	}
}
