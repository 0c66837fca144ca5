// SPDX-License-Identifier: Apache-2.0

package fswalk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hids/internal/testenv"
	"hids/platform/fsstat"
)

// deepTree makes a chain of directories below root, each made relative to the
// one above, and a file at its end. It returns the path of the file.
func deepTree(t *testing.T, root string, levels int, name string) string {
	t.Helper()
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for range levels {
		if err != nil {
			t.Fatal(err)
		}
		if err = unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		var next int
		next, err = unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd)
		fd = next
	}
	if err != nil {
		t.Fatal(err)
	}
	file, err := unix.Openat(fd, "end", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	_ = unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(file)
	return root + strings.Repeat("/"+name, levels) + "/end"
}

func TestPathsLongerThanTheKernelTakes(t *testing.T) {
	root := tree(t, "a", "z")
	if err := os.Mkdir(filepath.Join(root, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	end := deepTree(t, filepath.Join(root, "m"), 100, strings.Repeat("d", 250))
	if len(end) < 4*unix.PathMax {
		t.Fatalf("only %d bytes", len(end))
	}
	got := collect(t, options(root))
	if len(got) != 3+100+2 || got[len(got)-2] != end || got[len(got)-1] != filepath.Join(root, "z") {
		t.Errorf("%d items, the last two %.300q", len(got), got[len(got)-2:])
	}
}

func TestPathsTooLongAreReported(t *testing.T) {
	root := tree(t, "a", "z")
	deepTree(t, root, 140, strings.Repeat("d", 250))
	got := collect(t, options(root))
	var faults int
	for _, line := range got {
		if strings.Contains(line, ErrTooLong.Error()) {
			faults++
		}
	}
	if faults != 1 || got[len(got)-1] != filepath.Join(root, "z") {
		t.Errorf("%d faults; the last item is %.300q", faults, got[len(got)-1])
	}
}

func TestDirectoryMovedAwayMeanwhile(t *testing.T) {
	// The walk is below the levels it keeps open when its way back is moved.
	root := tree(t, "away/", "in/x", "z")
	deepTree(t, filepath.Join(root, "in"), keepOpen+5, "d")
	o := options(root)
	moved := false
	o.Choose = func(path string, _ fsstat.Kind) (bool, bool) {
		if filepath.Base(path) == "end" && !moved {
			moved = true
			if err := os.Rename(filepath.Join(root, "in/d/d"), filepath.Join(root, "away/d")); err != nil {
				t.Error(err)
			}
		}
		return true, true
	}
	var unknown []string
	for _, line := range collect(t, o) {
		if path, why, told := strings.Cut(line, ": event "); told {
			if !strings.HasPrefix(why, fmt.Sprint(Unknown)) {
				t.Errorf("%s", line)
			}
			unknown = append(unknown, strings.TrimPrefix(path, root))
		}
	}
	want := []string{"/in/d", "/in", ""}
	if d := cmp.Diff(want, unknown); d != "" {
		t.Errorf("given up: %s", d)
	}
}

func TestWalkClosesWhatItOpens(t *testing.T) {
	root := tree(t, "a/b/c", "d/e", "f/")
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	collect(t, options(root))
	before := count()
	for i := range 20 {
		stop := errors.New("stop")
		n := 0
		err := Walk(t.Context(), options(root), func(*Item[seen]) error {
			if n++; n > i%8 {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// deadMount mounts a FUSE file system at dir that answers the handshake and
// nothing else. reached gets a value for each request that waits.
func deadMount(t *testing.T, dir string) (reached chan struct{}) {
	t.Helper()
	testenv.Root(t)
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		testenv.Skip(t, "no FUSE: "+err.Error())
	}
	opts := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount("hids-test", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
		_ = unix.Close(fd)
		testenv.Skip(t, "FUSE can't be mounted: "+err.Error())
	}
	reached = make(chan struct{}, 1024)
	var wg sync.WaitGroup
	wg.Go(func() { serveNothing(fd, reached) })
	t.Cleanup(func() {
		_ = unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH)
		wg.Wait() // the forced unmount ends the read
		_ = unix.Close(fd)
	})
	return reached
}

// serveNothing answers FUSE_INIT, opcode 26, of linux/fuse.h.
func serveNothing(fd int, reached chan<- struct{}) {
	buf := make([]byte, 1<<20)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n < 40 {
			return
		}
		if binary.NativeEndian.Uint32(buf[4:]) != 26 {
			if ourThread(binary.NativeEndian.Uint32(buf[32:])) {
				reached <- struct{}{}
			}
			continue
		}
		answer := make([]byte, 16+64)
		binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
		copy(answer[8:16], buf[8:16])                    // the request's number
		binary.NativeEndian.PutUint32(answer[16:], 7)    // protocol 7.31
		binary.NativeEndian.PutUint32(answer[20:], 31)   //
		binary.NativeEndian.PutUint32(answer[36:], 4096) // max_write
		_, _ = unix.Write(fd, answer)
	}
}

// ourThread tells the walk from whoever else looks at the machine's mounts.
func ourThread(tid uint32) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
	return err == nil
}

func TestMountThatHangsDoesNotStopTheWalk(t *testing.T) {
	root := tree(t, "a/1", "m/", "z/2")
	reached := deadMount(t, filepath.Join(root, "m"))
	ticks := make(chan time.Time)
	o := options(root)
	o.Workers, o.Ticks = 1, ticks
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		<-reached // the walk waits for the mount, and for nothing else
		for range ticksPerDeadline {
			select {
			case ticks <- time.Time{}:
			case <-ended:
			}
		}
	}()
	want := under(root, "", "a", "a/1")
	want = append(want, fmt.Sprintf("%s: event %d: %v", filepath.Join(root, "m"), Unknown, ErrHung))
	want = append(want, under(root, "z", "z/2")...)
	if d := cmp.Diff(want, collect(t, o)); d != "" {
		t.Error(d)
	}
}

func TestRootThatHangsDoesNotStopTheWalk(t *testing.T) {
	root := tree(t, "m/", "z/2")
	reached := deadMount(t, filepath.Join(root, "m"))
	ticks := make(chan time.Time)
	o := options(under(root, "m", "z")...)
	o.Workers, o.Ticks = 1, ticks
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		<-reached
		for range ticksPerDeadline {
			select {
			case ticks <- time.Time{}:
			case <-ended:
			}
		}
	}()
	want := []string{fmt.Sprintf("%s: event %d: %v", filepath.Join(root, "m"), Unknown, ErrHung)}
	want = append(want, under(root, "z", "z/2")...)
	if d := cmp.Diff(want, collect(t, o)); d != "" {
		t.Error(d)
	}
}
