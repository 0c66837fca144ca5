// SPDX-License-Identifier: Apache-2.0

package execd

import "context"

// A block is written to the journal before its program runs, and flushed to the
// disk beside it: a disk that is slow, as that of a machine under attack may be,
// holds up no response.
//
// So kill -9, an upgrade and an orderly reboot find every block in the journal.
// A power failure finds those whose flush was over, which begins when the program
// does. For the others nothing is left to be undone: what a packet filter or a
// routing table held is gone, and a built-in response that changes a file waits
// for the flush itself (response.recorded). What another program may have made
// durable within that time, which a script hardly can, nobody would undo.

// flushSoon has the journal flushed. It does not wait.
func (d *Daemon) flushSoon() {
	select {
	case d.dirty <- struct{}{}:
	default: // one is asked for, and has not begun
	}
}

// flush flushes the journal whenever it is asked to, until ctx ends. Requests
// that come during one flush share the next.
func (d *Daemon) flush(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			d.flushNow() // for those who asked last
			return
		case <-d.dirty:
			d.flushNow()
		}
	}
}

func (d *Daemon) flushNow() {
	d.mu.Lock()
	flush := d.store.Flush()
	d.mu.Unlock()
	if err := flush(); err == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store.Distrust()
	d.commit(true) // into a new file; it says so if that fails too
}
