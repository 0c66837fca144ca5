// SPDX-License-Identifier: Apache-2.0

// Package report tells what a scan found: as an event.Event for machines, as a
// list grouped by folder for people, as one line that sums a scan up. All text
// that comes from the file system is made safe here. It prints nothing and
// knows no terminal: a caller gives it a writer and, if it likes, colours.
package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"time"

	"hids/modules/event"
	"hids/modules/syscheckd/record"
	"hids/modules/syscheckd/scan"
)

// The rules of OSSEC that a manager fires for these events, with their levels
// (OSSEC 4.3 ossec_rules.xml; new files have level 0 there and say nothing, as
// syscheckd cannot tell new from first seen; we can).
const (
	ruleChanged = "550"
	ruleDeleted = "553"
	ruleAdded   = "554"

	levelChanged = 7
	levelDeleted = 7
	levelAdded   = 5
	// levelPrivilege is the severity of a change after which a file runs with
	// more rights than its caller has.
	levelPrivilege = 10
)

func lookup(f func(uint32) string, id uint32) string {
	if f == nil {
		return ""
	}
	return f(id)
}

// Maker makes events.
type Maker struct {
	Host    string // name of this machine
	Trigger string // event.hids.trigger: scheduled, realtime, scan-now or startup
	Now     func() time.Time
	Names   Names
}

// Inside tells what changed in the content of a file that report_changes
// covers. The zero Inside: it does not.
type Inside struct {
	Diff string // unified, safe already
	Why  string // why there is no Diff
}

// Event returns the event for a change.
func (m *Maker) Event(c *scan.Change, in Inside) *event.Event {
	kind := kindOf(c.Action)
	e := &event.Event{
		Time:    m.Now().UTC(),
		Message: Sentence(c, m.Names),
		Host:    event.Host{Name: m.Host},
		Event: event.Meta{
			ID: identity(c), Module: "syscheck", Kind: "event", Category: []string{"file"},
			Type: []string{kind.ecs}, Action: string(c.Action), Outcome: "success",
			Severity: Severity(c),
		},
		Rule: &event.Rule{ID: kind.rule, Level: kind.level, Name: kind.name},
		File: m.file(c),
		HIDS: &event.Details{Trigger: m.Trigger, Diff: in.Diff, From: event.SafeText(c.From)},
	}
	if c.Entry != nil {
		e.HIDS.Tags = c.Entry.Tags
	}
	if in.Why != "" {
		e.HIDS.Extra = map[string]string{"no_diff": in.Why}
	}
	m.fields(c, e.HIDS)
	return e
}

type kind struct {
	ecs, rule, name string
	level           int
}

func kindOf(a scan.Action) kind {
	switch a {
	case scan.Created:
		return kind{"creation", ruleAdded, "File added to the system", levelAdded}
	case scan.Deleted:
		return kind{"deletion", ruleDeleted, "File deleted", levelDeleted}
	case scan.Moved:
		return kind{"change", ruleChanged, "File moved", levelChanged}
	}
	return kind{"change", ruleChanged, "Integrity checksum changed", levelChanged}
}

// Severity is the OSSEC level of a change, raised for a file that gained the
// power to run with another's rights.
func Severity(c *scan.Change) int {
	level := kindOf(c.Action).level
	if c.New != nil && privileged(c.New) && (c.Old == nil || !privileged(c.Old)) {
		return max(level, levelPrivilege)
	}
	return level
}

const (
	setuid = 0o4000
	setgid = 0o2000
	groupX = 0o010
)

// privileged: setuid, setgid on something that runs, or file capabilities.
func privileged(r *record.Record) bool {
	if r.Type != record.File {
		return false
	}
	if r.Mode&setuid != 0 || r.Mode&setgid != 0 && r.Mode&groupX != 0 {
		return true
	}
	for _, x := range r.Xattrs {
		if x.Name == capabilityName {
			return true
		}
	}
	return false
}

// identity is the same whenever the same change is told again, as it is after a
// crash between telling it and storing it.
func identity(c *scan.Change) string {
	h := sha256.New()
	write := func(s string) { io.WriteString(h, strconv.Itoa(len(s))+":"+s) }
	write(string(c.Action))
	write(c.Path)
	write(c.From)
	for _, f := range c.Fields {
		write(f.Name)
		write(f.Before)
		write(f.After)
	}
	for _, r := range []*record.Record{c.Old, c.New} {
		if r != nil {
			write(strconv.FormatInt(r.Ctime, 10) + " " + strconv.FormatUint(r.Inode, 10))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (m *Maker) fields(c *scan.Change, d *event.Details) {
	if len(c.Fields) == 0 {
		return
	}
	d.Before, d.After = map[string]string{}, map[string]string{}
	for _, f := range c.Fields {
		name := event.SafeText(f.Name)
		d.Changed = append(d.Changed, name)
		d.Before[name] = event.SafeText(f.Before)
		d.After[name] = event.SafeText(f.After)
	}
}

// file is the state after the change; of what is gone, the last one.
func (m *Maker) file(c *scan.Change) *event.File {
	r := c.New
	if r == nil {
		r = c.Old
	}
	if r == nil {
		return &event.File{Path: event.SafeText(c.Path)}
	}
	return File(c.Path, r, m.Names)
}

// File tells a record in the words of ECS.
func File(path string, r *record.Record, names Names) *event.File {
	size := r.Size
	f := &event.File{
		Path: event.SafeText(path), Type: r.Type.String(), Size: &size, Mode: record.ModeText(r.Mode),
		UID: strconv.FormatUint(uint64(r.UID), 10), GID: strconv.FormatUint(uint64(r.GID), 10),
		Owner: event.SafeText(lookup(names.User, r.UID)), Group: event.SafeText(lookup(names.Group, r.GID)),
		Mtime: stamp(r.Mtime), Ctime: stamp(r.Ctime),
		Inode: strconv.FormatUint(r.Inode, 10), Device: strconv.FormatUint(r.Device, 10),
		TargetPath: event.SafeText(r.Target), Hash: hash(r),
	}
	for _, x := range r.Xattrs {
		if f.Xattrs == nil {
			f.Xattrs = map[string]string{}
		}
		f.Xattrs[event.SafeText(x.Name)] = hex.EncodeToString(x.Value)
	}
	return f
}

func stamp(ns int64) *time.Time {
	t := time.Unix(0, ns).UTC()
	return &t
}

func hash(r *record.Record) *event.Hash {
	if r.Has&record.HasSums == 0 {
		return nil
	}
	h := &event.Hash{}
	if r.Has&record.HasMD5 != 0 {
		h.MD5 = hex.EncodeToString(r.MD5[:])
	}
	if r.Has&record.HasSHA1 != 0 {
		h.SHA1 = hex.EncodeToString(r.SHA1[:])
	}
	if r.Has&record.HasSHA256 != 0 {
		h.SHA256 = hex.EncodeToString(r.SHA256[:])
	}
	return h
}
