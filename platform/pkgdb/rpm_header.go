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
// none where the header lacks the entry or it is of another type.
func (h rpmHeader) find(tag, kind uint32) ([]byte, int) {
	be := binary.BigEndian
	for e := h.index; len(e) >= 16; e = e[16:] {
		if be.Uint32(e) != tag {
			continue
		}
		offset, count := be.Uint32(e[8:]), be.Uint32(e[12:])
		got := be.Uint32(e[4:])
		if kind == typeInt8 && got == typeChar {
			got = kind // states are of either
		}
		if got != kind || int64(offset) > int64(len(h.data)) || count > maxRPMFiles {
			return nil, 0
		}
		return h.data[offset:], int(count)
	}
	return nil, 0
}

// strings returns the strings of an entry.
func (h rpmHeader) strings(tag, kind uint32) [][]byte {
	data, n := h.find(tag, kind)
	list := make([][]byte, 0, n)
	for range n {
		s, rest, ok := bytes.Cut(data, []byte{0})
		if !ok {
			return nil
		}
		list, data = append(list, s), rest
	}
	return list
}

// numbers returns the 32-bit numbers of an entry.
func (h rpmHeader) numbers(tag uint32) []uint32 {
	data, n := h.find(tag, typeInt32)
	if n > len(data)/4 {
		return nil
	}
	list := make([]uint32, n)
	for i := range list {
		list[i] = binary.BigEndian.Uint32(data[4*i:])
	}
	return list
}

// parseRPMHeader calls f with each file of a package.
func parseRPMHeader(b []byte, f func(*rpmFile)) error {
	h, err := splitRPMHeader(b)
	if err != nil {
		return err
	}
	name := h.strings(tagName, typeString)
	if len(name) != 1 {
		return errRPM
	}
	dirs, dirOf := h.strings(tagDirNames, typeStrings), h.numbers(tagDirIndexes)
	bases := h.strings(tagBaseNames, typeStrings)
	if len(bases) != len(dirOf) {
		return errRPM
	}
	digests := h.strings(tagFileDigests, typeStrings)
	flags, verify := h.numbers(tagFileFlags), h.numbers(tagFileVerify)
	states, nStates := h.find(tagFileStates, typeInt8)
	file := rpmFile{pkg: string(name[0]), algo: h.digestAlgo()}
	for i, base := range bases {
		if int64(dirOf[i]) >= int64(len(dirs)) || len(dirs[dirOf[i]])+len(base) > maxRPMPath {
			return errRPM
		}
		file.path = append(append(file.path[:0], dirs[dirOf[i]]...), base...)
		file.digest, file.flags, file.verify, file.state = nil, at(flags, i, 0), at(verify, i, ^uint32(0)), 0
		if i < len(digests) {
			file.digest = digests[i]
		}
		if i < min(nStates, len(states)) {
			file.state = states[i]
		}
		f(&file)
	}
	return nil
}

func at(list []uint32, i int, otherwise uint32) uint32 {
	if i < len(list) {
		return list[i]
	}
	return otherwise
}

// digestAlgo names the sum of the package's files, a number of OpenPGP (RFC
// 9580, section 9.5); before rpm 4.6 it was always MD5.
func (h rpmHeader) digestAlgo() string {
	n := h.numbers(tagFileDigestAlgo)
	switch at(n, 0, 1) {
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
