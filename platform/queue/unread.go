// SPDX-License-Identifier: Apache-2.0

package queue

// unknown is outq's answer where the kernel does not tell.
const unknown = -1

// overhead is less than the kernel counts for a datagram beside its bytes, for
// its sk_buff and skb_shared_info: some 400 bytes with 32 bits, 550 with 64.
const overhead = 350

// unread are the last datagrams of a connection, in order: at least all that the
// reader has not read. The kernel bounds them, by the size of the sender's buffer
// (net.core.wmem_default, 208 KiB).
type unread struct {
	datagrams [][]byte
	cost      int // the least that the kernel counts for them
}

func (u *unread) add(datagram []byte) {
	u.datagrams = append(u.datagrams, datagram)
	u.cost += len(datagram) + overhead
}

// trim drops what must have been read when the kernel holds left bytes. Unread
// are the last ones, and they cost no more than that.
func (u *unread) trim(left int) {
	n := 0
	for n < len(u.datagrams) && u.cost > left {
		u.cost -= len(u.datagrams[n]) + overhead
		n++
	}
	if u.datagrams = u.datagrams[n:]; len(u.datagrams) == 0 {
		*u = unread{}
	}
}
