// SPDX-License-Identifier: Apache-2.0

package diff

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
)

// kind says what a copy stands for.
type kind byte

const (
	kindText   kind = 't'
	kindBinary kind = 'b' // no content is kept
	kindLarge  kind = 'l' // over the size limit: no content is kept
)

// aCopy is one stored copy. On disk it is
//
//	magic, kind, SHA-256 of the content, length of the path, path, gzip(content)
//
// so that what is stored can be listed without unpacking anything. A file that
// power failed on has a bad header or checksum and counts as absent.
type aCopy struct {
	kind kind
	sum  [sha256.Size]byte
	path string
}

const (
	magic      = "hidscp1\n"
	headerSize = len(magic) + 1 + sha256.Size + 4
	maxPath    = 1 << 16
)

var errCorrupt = errors.New("damaged copy")

// key is the file name for a path: it says nothing of the path, has always the
// same length, and no path can make it name another folder.
func key(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}

func encode(c aCopy, content []byte, zip *gzip.Writer) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(magic)
	out.WriteByte(byte(c.kind))
	out.Write(c.sum[:])
	out.Write([]byte{byte(len(c.path) >> 24), byte(len(c.path) >> 16), byte(len(c.path) >> 8), byte(len(c.path))})
	out.WriteString(c.path)
	zip.Reset(&out)
	if _, err := zip.Write(content); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// decodeHeader reads what stands in front of the packed content.
func decodeHeader(r io.Reader) (aCopy, error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil || string(h[:len(magic)]) != magic {
		return aCopy{}, errCorrupt
	}
	b := h[len(magic):]
	c := aCopy{kind: kind(b[0]), sum: [sha256.Size]byte(b[1 : 1+sha256.Size])}
	b = b[1+sha256.Size:]
	n := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	if n > maxPath {
		return aCopy{}, errCorrupt
	}
	path := make([]byte, n)
	if _, err := io.ReadFull(r, path); err != nil {
		return aCopy{}, errCorrupt
	}
	c.path = string(path)
	return c, nil
}

// decode reads a whole copy. limit bounds what a damaged file can unpack to.
func decode(r io.Reader, limit int64) (aCopy, []byte, error) {
	c, err := decodeHeader(r)
	if err != nil {
		return c, nil, err
	}
	zip, err := gzip.NewReader(r)
	if err != nil {
		return c, nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	content, err := io.ReadAll(io.LimitReader(zip, min(limit, math.MaxInt64-1)+1))
	if err != nil || int64(len(content)) > limit {
		return c, nil, errCorrupt
	}
	if c.kind == kindText && sha256.Sum256(content) != c.sum {
		return c, nil, errCorrupt
	}
	return c, content, nil
}
