// SPDX-License-Identifier: Apache-2.0

package queue

// unknown is outq's answer where the kernel does not tell.
const unknown = -1

// unread are the last datagrams of a connection, in order: those that the reader
// had not read when it was last asked for. The kernel bounds them, by the size of
// the sender's buffer (net.core.wmem_default, 208 KiB).
type unread struct {
	datagrams [][]byte
	costs     []int // what the kernel counts for each
	cost      int   // and for all
}

func (u *unread) add(datagram []byte, cost int) {
	u.datagrams, u.costs = append(u.datagrams, datagram), append(u.costs, cost)
	u.cost += cost
}

// trim drops what must have been read when the kernel holds left bytes. Unread
// are the last ones, and they cost that much.
func (u *unread) trim(left int) {
	n := 0
	for n < len(u.datagrams) && u.cost > left {
		u.cost -= u.costs[n]
		n++
	}
	u.costs = u.costs[n:]
	if u.datagrams = u.datagrams[n:]; len(u.datagrams) == 0 {
		*u = unread{}
	}
}
