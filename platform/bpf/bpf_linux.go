// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Programs lists the loaded programs. Without bpf(2) in the kernel the error
// is errors.ErrUnsupported, without privilege fs.ErrPermission.
func Programs() ([]Program, error) {
	var list []Program
	err := walk(unix.BPF_PROG_GET_NEXT_ID, unix.BPF_PROG_GET_FD_BY_ID, func(fd int) error {
		p, err := program(fd)
		list = append(list, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list bpf programs: %w", err)
	}
	return list, nil
}

// Links lists the links, since Linux 5.8; before, errors.ErrUnsupported.
func Links() ([]Link, error) {
	var list []Link
	err := walk(unix.BPF_LINK_GET_NEXT_ID, unix.BPF_LINK_GET_FD_BY_ID, func(fd int) error {
		b := make([]byte, 64)
		n, err := info(fd, b)
		if err != nil {
			return err
		}
		l, err := parseLinkInfo(b[:n])
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list bpf links: %w", err)
	}
	return list, nil
}

// walk calls f with a descriptor of every object, which it closes.
func walk(next, open uintptr, f func(fd int) error) error {
	for id := uint32(0); ; {
		attr := make([]byte, 16)
		binary.NativeEndian.PutUint32(attr, id)
		if _, err := call(next, attr); errors.Is(err, unix.ENOENT) {
			return nil
		} else if err != nil {
			return err
		}
		id = binary.NativeEndian.Uint32(attr[4:])
		attr = make([]byte, 16)
		binary.NativeEndian.PutUint32(attr, id)
		fd, err := call(open, attr)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since
		}
		if err != nil {
			return err
		}
		err = f(fd)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
}

// program asks twice where there are several tags: how many, then which.
func program(fd int) (Program, error) {
	b := make([]byte, progInfoLen)
	n, err := info(fd, b)
	if err != nil {
		return Program{}, err
	}
	p, err := parseProgInfo(b[:n])
	if err != nil || n < offTags+8 {
		return p, err
	}
	count := binary.NativeEndian.Uint32(b[offNrTags:])
	if count < 2 || count > 4096 {
		return p, nil
	}
	tags := make([]byte, count*tagLen)
	var pin runtime.Pinner
	pin.Pin(&tags[0])
	defer pin.Unpin()
	b = make([]byte, progInfoLen)
	binary.NativeEndian.PutUint32(b[offNrTags:], count)
	binary.NativeEndian.PutUint64(b[offTags:], uint64(uintptr(unsafe.Pointer(&tags[0]))))
	_, err = info(fd, b)
	for ; err == nil && len(tags) >= tagLen; tags = tags[tagLen:] {
		p.Tags = append(p.Tags, hex.EncodeToString(tags[:tagLen]))
	}
	return p, err
}

// info fills b with the kernel's description of an object and returns how much
// of it the kernel knows. Pinned, because the address travels as a number.
func info(fd int, b []byte) (int, error) {
	var pin runtime.Pinner
	pin.Pin(&b[0])
	defer pin.Unpin()
	attr := make([]byte, 16)
	binary.NativeEndian.PutUint32(attr, uint32(fd))
	binary.NativeEndian.PutUint32(attr[4:], uint32(len(b)))
	binary.NativeEndian.PutUint64(attr[8:], uint64(uintptr(unsafe.Pointer(&b[0]))))
	_, err := call(unix.BPF_OBJ_GET_INFO_BY_FD, attr)
	return min(int(binary.NativeEndian.Uint32(attr[4:])), len(b)), err
}

func call(cmd uintptr, attr []byte) (int, error) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	switch errno {
	case 0:
		return int(r), nil
	case unix.ENOSYS, unix.EINVAL:
		return -1, fmt.Errorf("%w: %w", errors.ErrUnsupported, os.NewSyscallError("bpf", errno))
	}
	return -1, os.NewSyscallError("bpf", errno)
}
