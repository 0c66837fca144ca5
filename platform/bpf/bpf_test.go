// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestParseProgInfo(t *testing.T) {
	b := make([]byte, progInfoLen)
	binary.NativeEndian.PutUint32(b, 2)
	binary.NativeEndian.PutUint32(b[4:], 77)
	copy(b[offTag:], "\x01\x23\x45\x67\x89\xab\xcd\xef")
	binary.NativeEndian.PutUint32(b[offUID:], 1000)
	copy(b[offName:], "hide_pid")
	p, err := parseProgInfo(b)
	if err != nil || p.ID != 77 || p.Type != "kprobe" || p.Name != "hide_pid" || p.Tag != "0123456789abcdef" || p.UID != 1000 || !p.Traces() {
		t.Errorf("parseProgInfo = %+v, %v", p, err)
	}
	binary.NativeEndian.PutUint32(b, 4_000_000_000)
	if p, _ := parseProgInfo(b); p.Type != "type_4000000000" {
		t.Errorf("a type of a later kernel is called %q", p.Type)
	}
}

func TestParseFDInfo(t *testing.T) {
	if id, ok := ParseFDInfo([]byte("pos:\t0\nprog_type:\t1\nprog_id:\t12\n")); id != 12 || !ok {
		t.Errorf("ParseFDInfo = %d, %v", id, ok)
	}
	if _, ok := ParseFDInfo([]byte("prog_id:\t-1\n")); ok {
		t.Error("a negative id was taken")
	}
}

func TestCalls(t *testing.T) {
	code := make([]byte, 0, 48)
	for _, insn := range []struct {
		op, regs byte
		imm      int32
	}{{0xb7, 1, 5}, {0x85, 0, 7}, {0x85, 0x10, 8}, {0x85, 0, 7}, {0x85, 0, -9}, {0x95, 0, 0}} {
		code = append(code, insn.op, insn.regs, 0, 0)
		code = binary.NativeEndian.AppendUint32(code, uint32(insn.imm))
	}
	if got := calls(append(code, 0x85)); !slices.Equal(got, []int32{7, -9}) {
		t.Errorf("calls %v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, progInfoLen))
	f.Add([]byte("prog_id:\t12\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseProgInfo(b)
		parseLinkInfo(b)
		ParseFDInfo(b)
		calls(b)
	})
}
