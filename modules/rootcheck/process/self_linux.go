// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/paths"
	"hids/platform/proc"
)

// selfCheck looks at our own mappings. The program is linked statically, so
// code that runs in it and is not its own was put there.
func selfCheck(_ context.Context, s *check.Scan) error {
	dynamic, err := hasInterpreter(s.Host)
	if err != nil {
		return err
	}
	if dynamic {
		return check.NotApplicable("this build of hids is linked dynamically")
	}
	self, err := os.Readlink(s.Host.ProcPath("self", "exe"))
	if err != nil {
		return err
	}
	b, err := os.ReadFile(s.Host.ProcPath("self", "maps"))
	if err != nil {
		return err
	}
	for _, p := range foreignCode(proc.ParseMaps(b), self) {
		text := event.SafeText(p)
		s.Report(check.Finding{
			Kind: check.Rootkit, Rule: "foreign-code", Thing: p, Path: p,
			Title:  fmt.Sprintf("Foreign code is mapped into hids: '%s'.", text),
			Why:    "hids is linked statically and loads nothing. Whatever else is executable in it was injected, to change what it sees.",
			Advice: "stop hids, keep a copy of its binary, and look at the file that is mapped",
			Wire:   fmt.Sprintf("Foreign code '%s' mapped into hids. Possible user level rootkit.", text),
		})
	}
	return nil
}

func hasInterpreter(h paths.Host) (bool, error) {
	f, err := elf.Open(h.ProcPath("self", "exe"))
	if err != nil {
		return false, fmt.Errorf("read our own program: %w", err)
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}

// foreignCode returns the executable mappings that are neither the program nor
// the kernel's. An upgrade of hids makes its running program "(deleted)".
func foreignCode(regions []proc.Region, self string) []string {
	self = strings.TrimSuffix(self, " (deleted)")
	var foreign []string
	for _, r := range regions {
		name := strings.TrimSuffix(r.Path, " (deleted)")
		if !r.Executable() || name == self || slices.Contains([]string{"[vdso]", "[vsyscall]", "[uprobes]"}, name) {
			continue
		}
		if name == "" {
			name = "memory without a file"
		}
		if !slices.Contains(foreign, name) {
			foreign = append(foreign, name)
		}
	}
	return foreign
}
