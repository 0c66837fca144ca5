// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"hids/platform/paths"
)

// Module is one line of /proc/modules, proc_modules(5).
type Module struct {
	Name  string
	State string // "Live", "Loading" or "Unloading"
	Taint string // "OE"; "" if it taints nothing
}

// ParseModules reads /proc/modules; lines that make no sense are skipped.
func ParseModules(b []byte) []Module {
	var mods []Module
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		m := Module{Name: f[0], State: f[4]}
		if last := f[len(f)-1]; strings.HasPrefix(last, "(") && strings.HasSuffix(last, ")") {
			m.Taint = strings.Trim(last, "()+-")
		}
		mods = append(mods, m)
	}
	return mods
}

// ReadModules reads /proc/modules. A kernel without loadable modules has no
// such file: fs.ErrNotExist.
func ReadModules(h paths.Host) ([]Module, error) {
	b, err := readAll(h.ProcPath("modules"))
	if err != nil {
		return nil, err
	}
	return ParseModules(b), nil
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16*MaxRead))
}

// Symbols is what rootcheck needs of /proc/kallsyms.
type Symbols struct {
	Modules  map[string]int    // module to its number of symbols
	Programs map[string]string // tag of a BPF program to its name

	// Helpers are the functions with which a BPF program changes what others
	// see or do, and CallBase is from where it counts to them. Both are empty
	// where the kernel does not tell addresses.
	Helpers  map[uint64]string
	CallBase uint64
}

// helpers lists those functions, bpf-helpers(7).
func helpers() []string {
	return []string{"bpf_probe_write_user", "bpf_override_return", "bpf_send_signal", "bpf_send_signal_thread"}
}

// Helper names the function that a BPF program calls at a distance from
// CallBase; "" if it is none of Helpers.
func (s *Symbols) Helper(distance int32) string {
	if s.CallBase == 0 {
		return ""
	}
	return s.Helpers[s.CallBase+uint64(int64(distance))]
}

// ReadSymbols reads /proc/kallsyms, some 100,000 lines, without keeping them.
func ReadSymbols(h paths.Host) (Symbols, error) {
	f, err := os.Open(h.ProcPath("kallsyms"))
	if err != nil {
		return Symbols{}, err
	}
	defer f.Close()
	return ParseSymbols(f)
}

// ParseSymbols reads lines "address type name [module]". The kernel's own
// generators ("[bpf]", "[__builtin__ftrace]" …) are no modules.
func ParseSymbols(r io.Reader) (Symbols, error) {
	s := Symbols{Modules: make(map[string]int), Programs: make(map[string]string), Helpers: make(map[uint64]string)}
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		s.add(line)
		if err == io.EOF {
			return s, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return Symbols{}, fmt.Errorf("read symbols: %w", err)
		}
	}
}

func (s *Symbols) add(line []byte) {
	line = bytes.TrimRight(line, "\n")
	if len(line) == 0 || line[len(line)-1] != ']' {
		s.addHelper(line)
		return
	}
	open := bytes.LastIndexByte(line, '[')
	if open < 1 {
		return
	}
	module := string(line[open+1 : len(line)-1])
	if module == "bpf" {
		s.addProgram(line[:open])
		return
	}
	if !strings.HasPrefix(module, "__builtin__") && module != "" {
		s.Modules[module]++
	}
}

// addHelper keeps addresses of the kernel's own functions.
func (s *Symbols) addHelper(line []byte) {
	name := line[bytes.LastIndexByte(line, ' ')+1:]
	if !bytes.HasPrefix(name, []byte("bpf_")) && string(name) != "__bpf_call_base" {
		return
	}
	text, _, _ := strings.Cut(string(line), " ")
	address, err := strconv.ParseUint(text, 16, 64)
	if err != nil || address == 0 {
		return
	}
	if string(name) == "__bpf_call_base" {
		s.CallBase = address
	} else if slices.Contains(helpers(), string(name)) {
		s.Helpers[address] = string(name)
	}
}

// addProgram keeps "bpf_prog_TAG_NAME": the tag is eight bytes in hex.
func (s *Symbols) addProgram(line []byte) {
	f := strings.Fields(string(line))
	if len(f) < 3 {
		return
	}
	rest, ok := strings.CutPrefix(f[2], "bpf_prog_")
	if !ok || len(rest) < 16 {
		return
	}
	s.Programs[rest[:16]] = strings.TrimPrefix(rest[16:], "_")
}

// TaintFlags are the letters of the bits of /proc/sys/kernel/tainted, bit 0
// first, as the kernel's tainted-kernels document lists them.
const TaintFlags = "PFSRMBUDAWCIOELKXTNJ"

// TaintLetters spells a mask as the kernel does for modules: "OE".
func TaintLetters(mask uint64) string {
	var b strings.Builder
	for i := range len(TaintFlags) {
		if mask&(1<<i) != 0 {
			b.WriteByte(TaintFlags[i])
		}
	}
	return b.String()
}
