// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/bpf"
	"hids/platform/paths"
	"hids/platform/proc"
)

// bpfMemory holds the programs of the first run, by key. What came later is
// reported until somebody accepts it.
type bpfMemory struct{ Known map[string]bool }

func bpfPrograms(ctx context.Context, s *check.Scan) error {
	switch _, err := bpf.Programs(); {
	case errors.Is(err, errors.ErrUnsupported):
		return check.NotApplicable("%w", err)
	case errors.Is(err, fs.ErrPermission):
		s.Fault("list BPF programs", err)
		return inventoryBySymbols(s)
	}
	hidden, err := check.Stable(ctx, func() (map[string]string, error) { return hiddenPrograms(ctx, s.Host, bpf.Programs) })
	if err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(hidden)) {
		reportHiddenProgram(s, what, hidden[what])
	}
	programs, err := bpf.Programs()
	if err != nil {
		return err
	}
	keep := keepers{held: holders(ctx, s.Host)}
	if keep.pinned, err = pins(s.Host); err != nil {
		s.Fault("list pinned BPF objects", err)
	}
	reportHelpers(s, programs, keep)
	return inventory(s, programs, keep)
}

// keepers says what keeps a program loaded, by its id: a process that has it
// open, or a name in a BPF file system. One with neither is attached.
type keepers struct {
	held   map[uint32]int
	pinned map[uint32]string
}

// evidence tells of a program and of who keeps it.
func (k keepers) evidence(p bpf.Program) map[string]string {
	e := map[string]string{
		"id": strconv.FormatUint(uint64(p.ID), 10), "tag": p.Tag, "loaded_by_uid": strconv.FormatUint(uint64(p.UID), 10),
	}
	if pid := k.held[p.ID]; pid != 0 {
		e["held_by_pid"] = strconv.Itoa(pid)
	}
	if at := k.pinned[p.ID]; at != "" {
		e["pinned_at"] = at
	}
	return e
}

// pins maps program ids to where they, or links to them, are pinned.
func pins(h paths.Host) (map[uint32]string, error) {
	mounts, err := proc.Mounts(h, "self")
	if err != nil {
		return nil, err
	}
	pinned := make(map[uint32]string)
	denied := 0
	for _, m := range mounts {
		if m.FSType != "bpf" {
			continue
		}
		list, n, err := bpf.Pins(m.Point)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return pinned, err
		}
		denied += n
		for _, p := range list {
			if p.Program != 0 {
				pinned[p.Program] = p.Path
			}
		}
	}
	if denied > 0 {
		err = fmt.Errorf("%d names: %w", denied, fs.ErrPermission)
	}
	return pinned, err
}

// reportHelpers reports programs that change what others see or do, known or
// not: few tools need that, and rootkits made of BPF do nothing else.
func reportHelpers(s *check.Scan, programs []bpf.Program, keep keepers) {
	symbols, err := proc.ReadSymbols(s.Host)
	if err != nil {
		return // the inventory says so
	}
	for _, p := range programs {
		var names []string
		for _, distance := range p.Calls {
			if name := symbols.Helper(distance); name != "" {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			continue
		}
		slices.Sort(names)
		list, name, pid := strings.Join(names, ", "), event.SafeText(p.Name), keep.held[p.ID]
		f := check.Finding{
			Kind: check.Suspicious, Rule: "helper", Thing: key(p), State: list, PID: pid, Severity: 10,
			Title: fmt.Sprintf("The BPF program '%s' (%s) can change what other programs see or do: it calls %s.", name, p.Type, list),
			Why: "With these functions a program writes into the memory of processes, makes system calls fail, or ends processes. " +
				"Rootkits made of BPF hide files and processes so. Some tracers and security agents use them too.",
			Advice:   fmt.Sprintf("bpftool prog show id %d; bpftool prog dump xlated id %d", p.ID, p.ID),
			Evidence: keep.evidence(p),
			Wire:     fmt.Sprintf("BPF program '%s' (%s, %s) calls %s.", name, p.Type, p.Tag, list),
		}
		f.Exe, _ = proc.Exe(s.Host, pid)
		s.Report(f)
	}
}

// inventoryBySymbols does what can be done without CAP_SYS_ADMIN: the kernel's
// symbols name the programs that are compiled.
func inventoryBySymbols(s *check.Scan) error {
	symbols, err := proc.ReadSymbols(s.Host)
	if err != nil {
		return err
	}
	var programs []bpf.Program
	for tag, name := range symbols.Programs {
		programs = append(programs, bpf.Program{Name: name, Tag: tag, Type: "unknown"})
	}
	return inventory(s, programs, keepers{})
}

// hiddenPrograms returns programs that a link, a process or the kernel's
// symbols tell of and the listing lacks, with who told.
func hiddenPrograms(ctx context.Context, h paths.Host, list func() ([]bpf.Program, error)) (map[string]string, error) {
	held := holders(ctx, h)
	links, err := bpf.Links()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	symbols, err := proc.ReadSymbols(h)
	if err != nil {
		symbols.Programs = nil // unreadable: compare the others
	}
	programs, err := list()
	if err != nil {
		return nil, err
	}
	ids, tags := make(map[uint32]bool), make(map[string]bool)
	for _, p := range programs {
		ids[p.ID], tags[p.Tag] = true, true
		for _, tag := range p.Tags {
			tags[tag] = true
		}
	}
	hidden := make(map[string]string)
	for id, pid := range held {
		if !ids[id] {
			hidden["program "+strconv.FormatUint(uint64(id), 10)] = "process " + strconv.Itoa(pid)
		}
	}
	for _, l := range links {
		if l.Program != 0 && !ids[l.Program] {
			hidden["program "+strconv.FormatUint(uint64(l.Program), 10)] = "a link"
		}
	}
	pinned, _ := pins(h) // fewer tellers, where some may not be opened
	for id, at := range pinned {
		if !ids[id] {
			hidden["program "+strconv.FormatUint(uint64(id), 10)] = at
		}
	}
	for tag, name := range symbols.Programs {
		if !tags[tag] {
			hidden[name+" "+tag] = "/proc/kallsyms"
		}
	}
	return hidden, nil
}

// holders maps program ids to a process that has the program or a link to it
// open. Without CAP_SYS_PTRACE it knows fewer.
func holders(ctx context.Context, h paths.Host) map[uint32]int {
	held := make(map[uint32]int)
	kinds := []string{"anon_inode:bpf-prog", "anon_inode:bpf_link", "anon_inode:[bpf-prog]", "anon_inode:[bpf_link]"}
	// An error means fewer holders, as does a missing capability.
	_, _ = proc.FDs(ctx, h, kinds, func(fd proc.FD) {
		b, err := proc.ReadFile(h, fd.PID, "fdinfo/"+strconv.Itoa(fd.Number))
		if err != nil {
			return
		}
		if id, ok := bpf.ParseFDInfo(b); ok && id != 0 {
			held[id] = fd.PID
		}
	})
	return held
}

func reportHiddenProgram(s *check.Scan, what, teller string) {
	text := event.SafeText(what)
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "hidden", Thing: what,
		Title:    fmt.Sprintf("The BPF program '%s' is missing from the kernel's list of programs; %s tells of it.", text, event.SafeText(teller)),
		Why:      "A program that runs in the kernel and is not listed has been hidden by something that runs there as well.",
		Advice:   "bpftool prog show; grep bpf_prog_ /proc/kallsyms",
		Evidence: map[string]string{"told_by": teller},
		Wire:     fmt.Sprintf("BPF program '%s' hidden from the program list. Possible kernel level rootkit.", text),
	})
}

// key names a program across reboots.
func key(p bpf.Program) string { return p.Name + " " + p.Tag }

// inventory reports programs that were not there in the first run.
func inventory(s *check.Scan, programs []bpf.Program, keep keepers) error {
	var memory bpfMemory
	known := s.Memory.Load(&memory) && memory.Known != nil
	if !known {
		memory.Known = make(map[string]bool)
	}
	reported := make(map[string]bool)
	for _, p := range programs {
		k := key(p)
		switch {
		case !known:
			memory.Known[k] = true
		case !memory.Known[k] && !reported[k]:
			reported[k] = true
			reportNewProgram(s, p, keep)
		}
	}
	return s.Memory.Save(memory)
}

func reportNewProgram(s *check.Scan, p bpf.Program, keep keepers) {
	pid := keep.held[p.ID]
	kind := check.Suspicious
	if ofService(p) {
		kind = check.Info
	}
	why := "It was loaded after hids first looked. Monitoring, networking and container tools load such programs."
	if p.Traces() {
		why += " This sort can watch or change what the kernel does for every process: rootkits are made of it."
	}
	name := event.SafeText(p.Name)
	f := check.Finding{
		Kind: kind, Rule: "new", Thing: key(p), State: p.Tag, PID: pid,
		Title:    fmt.Sprintf("A new BPF program is loaded: '%s' (%s).", name, p.Type),
		Why:      why,
		Advice:   fmt.Sprintf("bpftool prog show id %d; bpftool link show; bpftool prog dump xlated id %d", p.ID, p.ID),
		Evidence: keep.evidence(p),
	}
	if f.Exe, _ = proc.Exe(s.Host, pid); kind == check.Suspicious {
		f.Wire = fmt.Sprintf("New BPF program '%s' (%s, %s) loaded.", name, p.Type, p.Tag)
	}
	s.Report(f)
}

// ofService: systemd makes a filter for each unit with limits on addresses or
// devices, and its contents vary with the unit.
func ofService(p bpf.Program) bool {
	return strings.HasPrefix(p.Name, "sd_") && slices.Contains([]string{"cgroup_skb", "cgroup_device", "cgroup_sysctl"}, p.Type)
}
