// SPDX-License-Identifier: Apache-2.0

package bareloop

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	bufferSize = 128 << 10
	chunkSize  = 16 // files that a worker takes at once
)

// CPU returns the processor time that this process has used.
func CPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// chunk is some files of one directory.
type chunk struct {
	dir   *openDir
	names []string
}

// openDir is closed by the last chunk that uses it.
type openDir struct {
	fd   int
	left atomic.Int32
}

func (d *openDir) release() {
	if d.left.Add(-1) == 0 {
		_ = unix.Close(d.fd)
	}
}

// Hash reads every regular file below dir with that many workers and makes its
// MD5, SHA-1 and SHA-256.
func Hash(dir string, workers int) (Result, error) {
	chunks := make(chan chunk, 4*workers)
	var files, bytes atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			h := newHasher()
			for c := range chunks {
				for _, name := range c.names {
					n, err := h.file(c.dir.fd, name)
					if err != nil {
						failed.Store(&err)
					}
					files.Add(1)
					bytes.Add(n)
				}
				c.dir.release()
			}
		})
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = list(fd, chunks, make([]byte, 64<<10))
	}
	close(chunks)
	wg.Wait()
	if p := failed.Load(); p != nil {
		err = *p
	}
	if err != nil {
		return Result{}, &os.PathError{Op: "hash below", Path: dir, Err: err}
	}
	return Result{files.Load(), bytes.Load()}, nil
}

// list sends the files in fd to the workers and goes on with its folders.
func list(fd int, chunks chan<- chunk, buf []byte) error {
	dir := &openDir{fd: fd}
	dir.left.Store(1)
	defer dir.release()
	var folders []string
	c := chunk{dir: dir}
	send := func() {
		if len(c.names) > 0 {
			dir.left.Add(1)
			chunks <- c
			c.names = nil
		}
	}
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for b := buf[:n]; len(b) > 0; b = b[binary.NativeEndian.Uint16(b[16:]):] {
			name, _, _ := strings.Cut(string(b[19:binary.NativeEndian.Uint16(b[16:])]), "\x00")
			switch {
			case b[18] == unix.DT_REG:
				if c.names = append(c.names, name); len(c.names) == chunkSize {
					send()
				}
			case b[18] == unix.DT_DIR && name != "." && name != "..":
				folders = append(folders, name)
			}
		}
	}
	send()
	for _, name := range folders {
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := list(sub, chunks, buf); err != nil {
			return err
		}
	}
	return nil
}

type hasher struct {
	sums [3]hash.Hash
	buf  []byte
	out  [32]byte
}

func newHasher() *hasher {
	return &hasher{sums: [3]hash.Hash{md5.New(), sha1.New(), sha256.New()}, buf: make([]byte, bufferSize)}
}

func (h *hasher) file(dirfd int, name string) (int64, error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	for _, s := range h.sums {
		s.Reset()
	}
	var total int64
	for total < st.Size {
		n, err := unix.Read(fd, h.buf)
		if err != nil || n == 0 {
			return total, err
		}
		for _, s := range h.sums {
			_, _ = s.Write(h.buf[:n])
		}
		total += int64(n)
	}
	for _, s := range h.sums {
		s.Sum(h.out[:0])
	}
	return total, nil
}
