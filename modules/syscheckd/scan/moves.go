// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"crypto/sha256"

	"hids/modules/syscheckd/record"
)

// pendingMax bounds the files that wait for their other half, and so the
// memory of a scan that finds everything changed. Moves over more than that
// many other changes are told as deleted and created.
const pendingMax = 24 << 10

// pending is a file that was created or deleted and may turn out to have moved.
type pending struct {
	path    string
	encoded []byte
	created bool
	partner *pending
}

// pairs finds moves among what was created and what was deleted: the same
// inode, else the same content.
type pairs struct {
	list      []*pending // in the order of the walk
	byInode   map[inodeKey]*pending
	byContent map[[16]byte][]*pending
}

type inodeKey struct {
	inode, device uint64
	created       bool
}

func newPairs() *pairs {
	return &pairs{byInode: map[inodeKey]*pending{}, byContent: map[[16]byte][]*pending{}}
}

func (p *pairs) full() bool { return len(p.list) >= pendingMax }

// add takes a file in and looks for its other half among those of the same
// inode.
func (p *pairs) add(path string, encoded []byte, r *record.Record, created bool) {
	n := &pending{path: path, encoded: encoded, created: created}
	p.list = append(p.list, n)
	if r.Inode == 0 {
		return
	}
	other := p.byInode[inodeKey{r.Inode, r.Device, !created}]
	if other != nil && other.partner == nil && sameInode(other, r) {
		n.partner, other.partner = other, n
		return
	}
	p.byInode[inodeKey{r.Inode, r.Device, created}] = n
}

func sameInode(n *pending, r *record.Record) bool {
	was, err := record.Decode(n.encoded)
	return err == nil && record.SameInode(was, r)
}

// take pairs by content what is left, and returns all in order. p is empty
// then.
func (p *pairs) take() []*pending {
	for _, n := range p.list {
		if n.partner == nil && !n.created {
			p.offer(n)
		}
	}
	for _, n := range p.list {
		if n.partner == nil && n.created {
			p.match(n)
		}
	}
	list := p.list
	*p = *newPairs()
	return list
}

// offer puts a deleted file where one of the same content finds it.
func (p *pairs) offer(n *pending) {
	if k, ok := contentKey(n); ok {
		p.byContent[k] = append(p.byContent[k], n)
	}
}

func (p *pairs) match(n *pending) {
	k, ok := contentKey(n)
	if !ok {
		return
	}
	same := p.byContent[k]
	if len(same) == 0 {
		return
	}
	n.partner, same[0].partner = same[0], n
	p.byContent[k] = same[1:]
}

// contentKey stands for a regular file's content; ok is false where nothing
// tells it.
func contentKey(n *pending) (k [16]byte, ok bool) {
	r, err := record.Decode(n.encoded)
	if err != nil || !record.SameContent(r, r) {
		return k, false
	}
	h := sha256.New()
	switch {
	case r.Has&record.HasSHA256 != 0:
		h.Write(r.SHA256[:])
	case r.Has&record.HasSHA1 != 0:
		h.Write(r.SHA1[:])
	default:
		h.Write(r.MD5[:])
	}
	return [16]byte(h.Sum(nil)), true
}
