// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"hids/platform/hostfile"
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

// program asks again for what there may be much of: how much, then what.
func program(fd int) (Program, error) {
	b := make([]byte, progInfoLen)
	n, err := info(fd, b)
	if err != nil {
		return Program{}, err
	}
	p, err := parseProgInfo(b[:n])
	if err != nil {
		return p, err
	}
	if size := binary.NativeEndian.Uint32(b[offCodeLen:]); p.Traces() && size > 0 && size <= maxCode {
		code, err := detail(fd, offCodeLen, size, offCode, size)
		if err != nil {
			return p, err
		}
		p.Calls = calls(code)
	}
	if n < offTags+8 {
		return p, nil
	}
	count := binary.NativeEndian.Uint32(b[offNrTags:])
	if count < 2 || count > 4096 {
		return p, nil
	}
	tags, err := detail(fd, offNrTags, count, offTags, count*tagLen)
	for ; err == nil && len(tags) >= tagLen; tags = tags[tagLen:] {
		p.Tags = append(p.Tags, hex.EncodeToString(tags[:tagLen]))
	}
	return p, err
}

// detail asks for an array of a program's description: where its length and its
// address stand, and how many bytes it has.
func detail(fd, offLen int, count uint32, offAddress int, size uint32) ([]byte, error) {
	data := make([]byte, size)
	var pin runtime.Pinner
	pin.Pin(&data[0])
	defer pin.Unpin()
	b := make([]byte, progInfoLen)
	binary.NativeEndian.PutUint32(b[offLen:], count)
	binary.NativeEndian.PutUint64(b[offAddress:], uint64(uintptr(unsafe.Pointer(&data[0]))))
	_, err := info(fd, b)
	return data, err
}

// Pins lists the objects that are pinned below a mount of the BPF file system.
// Of those that this process may not open it returns how many there are.
func Pins(mount string) (list []Pin, denied int, err error) {
	files, err := hostfile.New("")
	if err != nil {
		return nil, 0, err
	}
	defer files.Close()
	d, err := files.OpenDir(mount, false)
	if err != nil {
		return nil, 0, err
	}
	w := pinWalk{}
	w.dir(d, mount, 0)
	return w.list, w.denied, nil
}

type pinWalk struct {
	list   []Pin
	denied int
}

// dir closes the folder. What is gone meanwhile, or of another sort (an
// iterator), has no program to tell of.
func (w *pinWalk) dir(d *hostfile.Dir, dir string, depth int) {
	defer d.Close()
	names, _ := d.Names(maxPins) // what was read before an error counts
	for _, name := range names {
		info, err := d.Lstat(name)
		if err != nil || len(w.list) == maxPins {
			continue
		}
		full := path.Join(dir, name)
		if info.IsDir() && depth < maxPinDepth {
			sub, err := d.OpenDir(name)
			if err != nil {
				w.count(err)
				continue
			}
			w.dir(sub, full, depth+1)
		}
		if info.IsRegular() {
			pin, err := openPin(full)
			if w.count(err); err == nil {
				w.list = append(w.list, pin)
			}
		}
	}
}

func (w *pinWalk) count(err error) {
	if errors.Is(err, fs.ErrPermission) {
		w.denied++
	}
}

// openPin takes no rights that it does not need; of a link the kernel gives
// none but full ones.
func openPin(p string) (Pin, error) {
	const readOnly = 1 << 3 // BPF_F_RDONLY
	fd, err := getPin(p, readOnly)
	if errors.Is(err, unix.EINVAL) {
		fd, err = getPin(p, 0)
	}
	if err != nil {
		return Pin{}, err
	}
	defer unix.Close(fd)
	fdinfo, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return Pin{}, err
	}
	id, _ := ParseFDInfo(fdinfo)
	return Pin{Path: p, Program: id}, nil
}

func getPin(p string, flags uint32) (int, error) {
	name, err := unix.BytePtrFromString(p)
	if err != nil {
		return -1, err
	}
	var pinner runtime.Pinner
	pinner.Pin(name)
	defer pinner.Unpin()
	attr := make([]byte, 16)
	binary.NativeEndian.PutUint64(attr, uint64(uintptr(unsafe.Pointer(name))))
	binary.NativeEndian.PutUint32(attr[12:], flags)
	return call(unix.BPF_OBJ_GET, attr)
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
