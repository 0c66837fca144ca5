// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"time"

	"hids/modules/execd/request"
)

// keysWait is how long a program of Wazuh's has to say what it is about to
// block, before it is taken for one that does not ask.
const keysWait = 10 * time.Second

// talks says that a program may ask whether to go on (Wazuh 4.2 and later): it
// got its alert on standard input, and something will have to be undone.
func (d *Daemon) talks(j *job) bool {
	return j.wazuh != nil && !j.undo() && j.block != nil && !j.prog.builtIn
}

// talk is Wazuh's dialogue: the program reads its alert and writes the keys it
// would block; execd answers continue, or abort when they are blocked already.
// A program that says nothing of the kind is left to itself.
func (d *Daemon) talk(j *job, p process) {
	defer p.Hush()
	if p.Say(j.wazuh.Input(j.action, j.prog.path, d.host)) != nil {
		return
	}
	keys, err := request.Keys(p.FirstLine(d.keysWait))
	if err != nil {
		d.log.Debug("program did not ask", "path", j.prog.path, "err", err)
		return
	}
	_ = p.Say(request.Answer(d.answer(j, keys), d.host)) // it may have ended without waiting
}

// answer enters the keys in the table.
func (d *Daemon) answer(j *job, keys []string) string {
	key := joinKey(append([]string{j.prog.path, "keys"}, keys...)...)
	d.mu.Lock()
	defer d.mu.Unlock()
	other := d.store.Active(key)
	if other == nil || other == j.block {
		d.store.Rekey(j.block, key)
		d.save()
		return request.Continue
	}
	d.store.Extend(other, d.policy.ladder, true)
	d.store.Remove(j.block)
	d.save()
	d.stats.merged.Add(1)
	s := subject{name: j.name, words: j.words, program: j.prog.path, by: j.by, block: other.ID, count: other.Count}
	d.extended(s, other.Until)
	return request.Abort
}
