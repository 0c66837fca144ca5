// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hids/internal/testenv"
)

func image(t *testing.T) (*FS, string) {
	t.Helper()
	root := t.TempDir()
	h, err := New(root)
	if err != nil {
		testenv.Skip(t, "needs openat2: "+err.Error())
	}
	t.Cleanup(func() { h.Close() })
	return h, root
}

// A link in an image leads to the image's file, never to this machine's.
func TestImageKeepsLinksInside(t *testing.T) {
	h, root := image(t)
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "host")
	write(t, filepath.Join(root, "target"), "image")
	link(t, "/target", filepath.Join(root, "absolute"))
	link(t, "../../../../../target", filepath.Join(root, "dotdot"))
	link(t, outside, filepath.Join(root, "out"))

	for _, name := range []string{"/absolute", "/dotdot"} {
		if data, err := h.ReadFile(name, 100); err != nil || string(data) != "image" {
			t.Errorf("read %s: %q, %v", name, data, err)
		}
	}
	if data, err := h.ReadFile("/out", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read through a link that leaves the image: %q, %v", data, err)
	}
	if h.Exists("/out") {
		t.Error("a dangling link exists")
	}
}

func TestOpenTakesOnlyRegularFiles(t *testing.T) {
	h, root := image(t)
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/fifo", "/"} {
		if _, _, err := h.Open(name); !errors.Is(err, ErrNotRegular) {
			t.Errorf("open %s: %v, want ErrNotRegular", name, err)
		}
	}
	d, err := h.OpenDir("/", false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, _, err := d.Open("fifo"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("open fifo in a folder: %v, want ErrNotRegular", err)
	}
}

func TestReadFileIsBounded(t *testing.T) {
	h, root := image(t)
	write(t, filepath.Join(root, "f"), "12345")
	if _, err := h.ReadFile("/f", 4); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if data, err := h.ReadFile("/f", 5); err != nil || len(data) != 5 {
		t.Errorf("%q, %v", data, err)
	}
}

func TestDirDoesNotFollow(t *testing.T) {
	h, root := image(t)
	if err := os.Mkdir(filepath.Join(root, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	link(t, "d", filepath.Join(root, "l"))
	if _, err := h.OpenDir("/l", false); err == nil {
		t.Error("opened a link as a folder")
	}
	d, err := h.OpenDir("/l", true)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	top, err := h.OpenDir("/", false)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	if _, err := top.OpenDir("l"); err == nil {
		t.Error("opened a link in a folder as a folder")
	}
	if st, err := top.Lstat("l"); err != nil || st.Mode.Type() != fs.ModeSymlink {
		t.Errorf("lstat: %v, %v", st.Mode, err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// The owner of a file may hold a lease on it, fcntl(2): it can't be opened at
// once, and is not waited for.
func TestLeasedFileIsNotWaitedFor(t *testing.T) {
	inImage, root := image(t)
	live, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	path := filepath.Join(root, "leased")
	write(t, path, "x")
	held, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := unix.FcntlInt(held.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		testenv.Skip(t, "needs a file system with leases: "+err.Error())
	}
	// The lease is held for the time of /proc/sys/fs/lease-break-time, 45 s.
	begun := time.Now()
	for name, open := range map[string]func() ([]byte, error){
		"image": func() ([]byte, error) { return inImage.ReadFile("/leased", 100) },
		"live":  func() ([]byte, error) { return live.ReadFile(path, 100) },
	} {
		if _, err := open(); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("waited %v", took)
	}
}
