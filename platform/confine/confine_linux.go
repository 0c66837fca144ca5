// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rights of landlock(7) that change something.
const (
	changes = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | removes |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	removes = unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR
	opens   = unix.LANDLOCK_ACCESS_FS_WRITE_FILE // of a file that is no folder
)

// The versions of Landlock, landlock(7). Without REFER a file could not be
// moved between two folders that may be written to.
const (
	hasRefer    = 2 // Linux 5.19
	hasTruncate = 3 // Linux 6.2
)

func writes(write, remove []string) error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 || version < hasRefer {
		return fmt.Errorf("confine writing: no Landlock in this kernel: %w", errors.ErrUnsupported)
	}
	r := ruleset{handled: changes}
	if version >= hasTruncate {
		r.handled |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if err := r.confine(write, remove); err != nil {
		return fmt.Errorf("confine writing: %w", err)
	}
	return nil
}

// ruleset is what Landlock is to enforce.
type ruleset struct {
	handled uint64
	fd      int
}

func (r *ruleset) confine(write, remove []string) error {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: r.handled}
	// Only the first field, which every version knows.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	r.fd = int(fd)
	defer unix.Close(r.fd)
	for _, dir := range write {
		if err := r.allow(dir, r.handled); err != nil {
			return err
		}
	}
	for _, dir := range remove {
		if err := r.allow(dir, removes); err != nil {
			return err
		}
	}
	if err := r.allow(os.DevNull, opens|r.handled&unix.LANDLOCK_ACCESS_FS_TRUNCATE); err != nil {
		return err
	}
	// Landlock is an attribute of a thread, and the runtime has several.
	_, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	if errno == unix.ENOTSUP {
		return fmt.Errorf("not in a program with C in it: %w", errors.ErrUnsupported)
	}
	return os.NewSyscallError("landlock_restrict_self", toError(errno))
}

// toError keeps "no error" nil.
func toError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func (r *ruleset) allow(path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	return os.NewSyscallError("landlock_add_rule", toError(errno))
}
