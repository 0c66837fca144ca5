// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/platform/paths"
	"hids/platform/plant"
)

// TestRealRPM installs a package with rpm itself. Debian's writes SQLite only;
// the other kinds have made-up files in TestRPMFormats.
func TestRealRPM(t *testing.T) {
	testenv.Root(t)
	root := t.TempDir()
	plant.InstallRPM(t, root, plant.RPM(t, "tool", map[string]string{"/usr/bin/tool": "tool\n", "/opt/many/%d": "x"}))
	db, err := Open(paths.Host{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	asked := []string{"/usr/bin/tool", "/opt/many/0", "/opt/many/299", "/usr/bin/other"}
	got, err := db.Sums(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Sum{
		"/usr/bin/tool": rpmSum("tool\n"), "/opt/many/0": rpmSum("x"), "/opt/many/299": rpmSum("x"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

func rpmSum(text string) Sum {
	sum := sha256.Sum256([]byte(text))
	return Sum{Package: "tool", Algo: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// TestSQLiteJournal reads what was committed to the log and is not in the file
// yet, and not what was not committed.
func TestSQLiteJournal(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		testenv.Skip(t, err.Error())
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "live")
	script := fmt.Sprintf(`PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=1;
CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
INSERT INTO Packages(blob) VALUES(x'%x');
PRAGMA wal_checkpoint(TRUNCATE);
INSERT INTO Packages(blob) VALUES(x'%x');
INSERT INTO Packages(blob) VALUES(x'%x');
DELETE FROM Packages WHERE hnum = 2;
BEGIN;
UPDATE Packages SET blob = zeroblob(8);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO Packages(blob) SELECT zeroblob(3000) FROM n;
.shell cp %[4]s %[5]s; cp %[4]s-wal %[5]s-wal
ROLLBACK;
`, madeUp("in the file"), madeUp("deleted"), madeUp("in the log"), name, filepath.Join(dir, "rpmdb.sqlite"))
	cmd := exec.Command("sqlite3", name)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	file, err := os.Open(filepath.Join(dir, "rpmdb.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	wal, err := os.Open(file.Name() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	defer wal.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if log, err := wal.Stat(); err != nil || log.Size() < 500_000 {
		t.Fatalf("the transaction that is open is not in the log: %v, %v", log, err)
	}
	for want, journal := range map[string]*os.File{"in the file, in the log": wal, "in the file": nil} {
		var got []string
		err := rpmHeaders(file, info.Size(), journal, func(h []byte) error {
			return parseRPMHeader(h, func(f *rpmFile) {
				if string(f.path) == "/usr/bin/tool" {
					got = append(got, f.pkg)
				}
			})
		})
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

// TestBerkeleyDB reads a file that Berkeley DB's own tool made.
func TestBerkeleyDB(t *testing.T) {
	load, err := exec.LookPath("db5.3_load")
	if err != nil {
		testenv.Skip(t, err.Error())
	}
	name := filepath.Join(t.TempDir(), "Packages")
	var in strings.Builder
	in.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=512\nHEADER=END\n")
	for i := range 300 {
		fmt.Fprintf(&in, " %08x\n %x\n", i, madeUp(fmt.Sprint("p", i)))
	}
	in.WriteString("DATA=END\n")
	cmd := exec.Command(load, name)
	cmd.Stdin = strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("db5.3_load: %v\n%s", err, out)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	names, err := packages(data)
	seen := make(map[string]bool)
	for _, n := range names {
		seen[n] = true
	}
	if err != nil || len(seen) != 300 || !seen["p0"] || !seen["p299"] {
		t.Errorf("%d packages of 300, %v", len(seen), err)
	}
}
