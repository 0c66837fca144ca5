// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"

	"hids/config"
	"hids/modules/syscheckd/record"
	"hids/platform/fsstat"
	"hids/platform/fswalk"
)

const (
	// bufferSize holds a small file whole. More brings nothing, a new buffer
	// for each file costs several times what hashing does.
	bufferSize = 128 << 10
	// attempts is how often a file is read that changes meanwhile.
	attempts = 3
	// rereadUpTo is the size in bytes above which a changing file is read
	// once: a log of gigabytes is never still.
	rereadUpTo = 64 << 20
	// slack is how much more than its size is read of a file that says it is
	// empty, as those do that the kernel makes up.
	slack = 1 << 20
)

// hasher makes all wanted sums in one read. It is reused.
type hasher struct {
	md5, sha1, sha256 hash.Hash
	buf               []byte
}

func newHasher() hasher {
	return hasher{md5.New(), sha1.New(), sha256.New(), make([]byte, bufferSize)}
}

// read fills the sums of in.rec. in.st is what fstat said before, and
// afterwards what it said at the end. The file may change at any moment.
func (in *inspector) read(ctx context.Context, t *fswalk.Task, f fsstat.Content, checks config.Check) error {
	switch {
	case checks&config.CheckSums == 0:
		return nil
	case in.o.MaxFileSize > 0 && in.st.Size > in.o.MaxFileSize:
		in.rec.Marks |= record.MarkTooLarge
		return nil
	case len(in.o.Prefilter) > 0:
		return in.prefilter(ctx, t, checks)
	}
	defer in.tee.end(false)
	for n := 1; ; n++ {
		before := in.st
		in.begin(t)
		if err := in.once(ctx, t, f, checks); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := f.Stat(&in.st); err != nil {
			return err
		}
		if in.st.Unchanged(&before) {
			in.tee.end(true)
			return nil
		}
		if n == attempts || in.st.Size > rereadUpTo {
			in.rec.Marks |= record.MarkChanging
			return nil
		}
		if err := f.Rewind(); err != nil {
			return err
		}
	}
}

// once reads the file from where it stands, as far as its size. That it does
// not go on behind that is what the second fstat is for; a read that only finds
// the end would cost as much as the fstat.
func (in *inspector) once(ctx context.Context, t *fswalk.Task, f fsstat.Content, checks config.Check) error {
	size := in.st.Size
	if size == 0 {
		size = slack
	}
	h := &in.content
	n, err := in.fill(f, min(size, bufferSize))
	if err != nil {
		return err
	}
	if int64(n) < bufferSize || size == bufferSize {
		h.whole(&in.rec, h.buf[:n], checks)
		in.tee.write(h.buf[:n])
		in.pace.bytes(ctx, t, int64(n))
		return nil
	}
	h.reset(checks)
	for total := int64(0); n > 0; n, err = in.fill(f, min(size-total, bufferSize)) {
		if err != nil {
			return err
		}
		h.write(h.buf[:n], checks)
		in.tee.write(h.buf[:n])
		total += int64(n)
		t.Beat()
		in.pace.bytes(ctx, t, int64(n))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	h.sum(&in.rec, checks)
	return err
}

// fill reads up to limit bytes into the buffer, less only at the end.
func (in *inspector) fill(f fsstat.Content, limit int64) (n int, err error) {
	for int64(n) < limit {
		m, err := f.Read(in.content.buf[n:limit])
		n += m
		if in.o.Progress != nil {
			in.o.Progress.Bytes.Add(int64(m))
		}
		if err != nil || m == 0 {
			return n, err
		}
	}
	return n, nil
}

// whole makes the sums of content that is in memory.
func (h *hasher) whole(r *record.Record, b []byte, checks config.Check) {
	if checks&config.CheckMD5 != 0 {
		r.MD5 = md5.Sum(b)
	}
	if checks&config.CheckSHA1 != 0 {
		r.SHA1 = sha1.Sum(b)
	}
	if checks&config.CheckSHA256 != 0 {
		r.SHA256 = sha256.Sum256(b)
	}
	r.Has |= hasSums(checks)
}

func hasSums(checks config.Check) (has record.Has) {
	if checks&config.CheckMD5 != 0 {
		has |= record.HasMD5
	}
	if checks&config.CheckSHA1 != 0 {
		has |= record.HasSHA1
	}
	if checks&config.CheckSHA256 != 0 {
		has |= record.HasSHA256
	}
	return has
}

func (h *hasher) reset(checks config.Check) { h.each(checks, func(x hash.Hash) { x.Reset() }) }

func (h *hasher) write(b []byte, checks config.Check) {
	h.each(checks, func(x hash.Hash) { _, _ = x.Write(b) })
}

func (h *hasher) each(checks config.Check, f func(hash.Hash)) {
	if checks&config.CheckMD5 != 0 {
		f(h.md5)
	}
	if checks&config.CheckSHA1 != 0 {
		f(h.sha1)
	}
	if checks&config.CheckSHA256 != 0 {
		f(h.sha256)
	}
}

func (h *hasher) sum(r *record.Record, checks config.Check) {
	if checks&config.CheckMD5 != 0 {
		h.md5.Sum(r.MD5[:0])
	}
	if checks&config.CheckSHA1 != 0 {
		h.sha1.Sum(r.SHA1[:0])
	}
	if checks&config.CheckSHA256 != 0 {
		h.sha256.Sum(r.SHA256[:0])
	}
	r.Has |= hasSums(checks)
}
