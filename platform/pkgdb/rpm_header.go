// SPDX-License-Identifier: Apache-2.0

package pkgdb

import (
	"bytes"
	"encoding/binary"
)

// rpmFile is one file of a package. Its slices are valid during a call.
type rpmFile struct {
	pkg    string
	path   []byte
	algo   string // of digest; "" if it is one that we do not know
	digest []byte // hex
	flags  uint32
	verify uint32
	state  byte
}

// installed reports whether the package put the file there: another package's
// may have replaced it, or its sort (a language, an architecture) was left out.
func (f *rpmFile) installed() bool { return f.state == 0 }

// fixed reports whether the file must be as the package made it: it has a sum,
// and is neither configuration nor made later nor exempt from verification.
func (f *rpmFile) fixed() bool {
	const config, ghost, digest = 1 << 0, 1 << 6, 1 << 0 // RPMFILE_CONFIG, RPMFILE_GHOST, RPMVERIFY_FILEDIGEST
	return len(f.digest) > 0 && f.algo != "" && f.flags&(config|ghost) == 0 && f.verify&digest != 0
}

// Tags and types of a header, rpm's lib/rpmtag.h.
const (
	tagName           = 1000
	tagFileStates     = 1029
	tagFileDigests    = 1035
	tagFileFlags      = 1037
	tagFileVerify     = 1045
	tagDirIndexes     = 1116
	tagBaseNames      = 1117
	tagDirNames       = 1118
	tagFileDigestAlgo = 5011

	typeChar, typeInt8, typeInt32, typeString, typeStrings = 1, 2, 4, 6, 8
)

// rpmHeader is a package's header: a list of entries of 16 bytes (tag, type,
// offset, count) and the data they point into. All numbers are big-endian.
type rpmHeader struct{ index, data []byte }

func splitRPMHeader(b []byte) (rpmHeader, error) {
	if len(b) < 8 {
		return rpmHeader{}, errRPM
	}
	entries, size := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if 8+16*entries+size > int64(len(b)) {
		return rpmHeader{}, errRPM
	}
	return rpmHeader{b[8 : 8+16*entries], b[8+16*entries:][:size]}, nil
}

// find returns the data from where an entry's begin, and how many there are;
// none where the header lacks the entry, it is of another type, or there is no
// room for as many.
func (h rpmHeader) find(tag, kind uint32) ([]byte, int) {
	be := binary.BigEndian
	for e := h.index; len(e) >= 16; e = e[16:] {
		if be.Uint32(e) != tag {
			continue
		}
		offset, count := int64(be.Uint32(e[8:])), int64(be.Uint32(e[12:]))
		got := be.Uint32(e[4:])
		if kind == typeInt8 && got == typeChar {
			got = kind // states are of either
		}
		size := count
		if kind == typeInt32 {
			size *= 4
		}
		if got != kind || count > maxRPMFiles || offset+size > int64(len(h.data)) {
			return nil, 0
		}
		return h.data[offset:], int(count)
	}
	return nil, 0
}

// texts are the strings of an entry. They are read one after the other: a list
// of them would take more memory than the header.
type texts struct {
	data []byte
	left int
}

func (h rpmHeader) texts(tag, kind uint32) texts {
	data, n := h.find(tag, kind)
	return texts{data, n}
}

// next returns the next string; there is none behind one that does not end.
func (t *texts) next() ([]byte, bool) {
	end := bytes.IndexByte(t.data, 0)
	if t.left == 0 || end < 0 {
		t.left = 0
		return nil, false
	}
	s := t.data[:end]
	t.data, t.left = t.data[end+1:], t.left-1
	return s, true
}

// list returns all of them, none if one does not end.
func (t texts) list() [][]byte {
	list := make([][]byte, 0, t.left)
	for n := t.left; len(list) < n; {
		s, ok := t.next()
		if !ok {
			return nil
		}
		list = append(list, s)
	}
	return list
}

// numbers are the 32-bit numbers of an entry.
type numbers struct {
	data []byte
	n    int
}

func (h rpmHeader) numbers(tag uint32) numbers {
	data, n := h.find(tag, typeInt32)
	return numbers{data, n}
}

func (l numbers) at(i int, otherwise uint32) uint32 {
	if i < l.n {
		return binary.BigEndian.Uint32(l.data[4*i:])
	}
	return otherwise
}

// parseRPMHeader calls f with each file of a package.
func parseRPMHeader(b []byte, f func(*rpmFile)) error {
	h, err := splitRPMHeader(b)
	if err != nil {
		return err
	}
	names := h.texts(tagName, typeString)
	name, ok := names.next()
	if !ok || names.left > 0 {
		return errRPM
	}
	return h.files(rpmFile{pkg: string(name), algo: h.digestAlgo()}, f)
}

func (h rpmHeader) files(file rpmFile, f func(*rpmFile)) error {
	dirs, dirOf := h.texts(tagDirNames, typeStrings).list(), h.numbers(tagDirIndexes)
	bases, digests := h.texts(tagBaseNames, typeStrings), h.texts(tagFileDigests, typeStrings)
	flags, verify := h.numbers(tagFileFlags), h.numbers(tagFileVerify)
	states, nStates := h.find(tagFileStates, typeInt8)
	if bases.left != dirOf.n {
		return errRPM
	}
	for i := range dirOf.n {
		base, ok := bases.next()
		dir := int64(dirOf.at(i, 0))
		if !ok || dir >= int64(len(dirs)) || len(dirs[dir])+len(base) > maxRPMPath {
			return errRPM
		}
		file.path = append(append(file.path[:0], dirs[dir]...), base...)
		file.digest, _ = digests.next()
		file.flags, file.verify, file.state = flags.at(i, 0), verify.at(i, ^uint32(0)), 0
		if i < nStates {
			file.state = states[i]
		}
		f(&file)
	}
	return nil
}

// digestAlgo names the sum of the package's files, a number of OpenPGP (RFC
// 9580, section 9.5); before rpm 4.6 it was always MD5.
func (h rpmHeader) digestAlgo() string {
	switch h.numbers(tagFileDigestAlgo).at(0, 1) {
	case 1:
		return "md5"
	case 2:
		return "sha1"
	case 8:
		return "sha256"
	case 9:
		return "sha384"
	case 10:
		return "sha512"
	case 11:
		return "sha224"
	}
	return ""
}
