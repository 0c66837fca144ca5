// SPDX-License-Identifier: Apache-2.0

// Package bpf lists the BPF programs and links that the kernel holds, bpf(2).
// It loads and attaches nothing. Listing takes CAP_SYS_ADMIN.
package bpf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Program is what the kernel tells of one program.
type Program struct {
	ID   uint32
	Type string   // "kprobe", "socket_filter" …
	Name string   // at most 15 bytes, chosen by the loader
	Tag  string   // 16 hex digits: a sum of its instructions
	Tags []string // of the program and its functions, where there are several
	UID  uint32   // who loaded it

	// Calls are the functions of the kernel that the program calls, as
	// distances from the symbol __bpf_call_base; of programs that trace only.
	// Without the right to see the kernel's addresses they are all 0.
	Calls []int32
}

// Pin is a name in a BPF file system that keeps an object alive.
type Pin struct {
	Path    string
	Program uint32 // of a program or a link; 0: it is a map
}

// Link is an attachment that lives as long as its descriptor or pin.
type Link struct {
	ID      uint32
	Program uint32
}

// typeNames follows enum bpf_prog_type of linux/bpf.h, as bpftool spells it.
func typeNames() []string {
	return []string{
		"unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp",
		"perf_event", "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops",
		"sk_skb", "cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local",
		"lirc_mode2", "sk_reuseport", "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable",
		"cgroup_sockopt", "tracing", "struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter",
	}
}

func typeName(n uint32) string {
	if names := typeNames(); int64(n) < int64(len(names)) {
		return names[n]
	}
	return "type_" + strconv.FormatUint(uint64(n), 10)
}

// Traces reports whether a program of this type can watch or change what the
// kernel does for others, which is what a rootkit made of BPF needs.
func (p Program) Traces() bool {
	switch p.Type {
	case "kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable", "tracing", "lsm", "ext", "struct_ops", "xdp", "sched_cls", "sched_act":
		return true
	}
	return false
}

// The layout of struct bpf_prog_info and bpf_link_info, linux/bpf.h.
const (
	progInfoLen     = 232
	progInfoMin     = 80 // up to the name, Linux 4.15
	offTag          = 8
	offCodeLen      = 20
	offCode         = 32
	offUID          = 48
	offName         = 64
	offNrTags       = 180
	offTags         = 184
	linkInfoMin     = 12
	tagLen, nameLen = 8, 16

	maxCode = 8 << 20 // bytes: the verifier's limit of a million instructions
	maxPins = 10_000

	maxPinDepth = 32
)

var errShort = errors.New("parse bpf info: too short")

func parseProgInfo(b []byte) (Program, error) {
	if len(b) < progInfoMin {
		return Program{}, errShort
	}
	e := binary.NativeEndian
	name, _, _ := bytes.Cut(b[offName:offName+nameLen], []byte{0})
	return Program{
		ID:   e.Uint32(b[4:]),
		Type: typeName(e.Uint32(b)),
		Tag:  hex.EncodeToString(b[offTag : offTag+tagLen]),
		Name: string(name),
		UID:  e.Uint32(b[offUID:]),
	}, nil
}

func parseLinkInfo(b []byte) (Link, error) {
	if len(b) < linkInfoMin {
		return Link{}, errShort
	}
	e := binary.NativeEndian
	return Link{ID: e.Uint32(b[4:]), Program: e.Uint32(b[8:])}, nil
}

// ParseFDInfo returns the program id that /proc/PID/fdinfo/N of a program or a
// link tells.
func ParseFDInfo(b []byte) (id uint32, ok bool) {
	for line := range strings.Lines(string(b)) {
		if value, found := strings.CutPrefix(line, "prog_id:"); found {
			n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// calls returns the distinct targets of the calls to functions of the kernel
// in translated instructions, struct bpf_insn.
func calls(code []byte) []int32 {
	const call, insnLen = 0x85, 8 // BPF_JMP | BPF_CALL
	var list []int32
	for ; len(code) >= insnLen; code = code[insnLen:] {
		// A source register says that it is no helper but another function.
		if code[0] != call || code[1]>>4 != 0 {
			continue
		}
		if imm := int32(binary.NativeEndian.Uint32(code[4:])); !slices.Contains(list, imm) {
			list = append(list, imm)
		}
	}
	return list
}
