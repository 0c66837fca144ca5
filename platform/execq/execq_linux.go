// SPDX-License-Identifier: Apache-2.0

package execq

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// overflowID is what the kernel shows for an id it does not know: a datagram
// that was queued before SO_PASSCRED was set has it, with pid 0 (unix(7)).
const overflowID = 65534

func oobSize() int { return unix.CmsgSpace(unix.SizeofUcred) }

func askForSender(u *net.UnixConn) error {
	raw, err := u.SyscallConn()
	if err != nil {
		return err
	}
	var opt error
	err = raw.Control(func(fd uintptr) {
		opt = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	if err != nil {
		return err
	}
	return opt
}

func parseSender(oob []byte) Sender {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return Sender{}
	}
	for i := range msgs {
		cred, err := unix.ParseUnixCredentials(&msgs[i])
		if err != nil {
			continue
		}
		known := cred.Pid != 0 || cred.Uid != overflowID || cred.Gid != overflowID
		return Sender{Known: known, PID: int(cred.Pid), UID: cred.Uid, GID: cred.Gid}
	}
	return Sender{}
}

func tryReceive(r *Receiver, buf []byte) (int, Sender, error) {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return 0, Sender{}, err
	}
	var n, oobn int
	var recvErr error
	// Control, not Read: it runs at once, whether the socket is readable or not.
	err = raw.Control(func(fd uintptr) {
		n, oobn, _, _, recvErr = unix.Recvmsg(int(fd), buf, r.oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	})
	if err != nil {
		return 0, Sender{}, err
	}
	if recvErr == unix.EAGAIN || recvErr == unix.EINTR {
		return 0, Sender{}, os.ErrDeadlineExceeded
	}
	if recvErr != nil {
		return 0, Sender{}, os.NewSyscallError("recvmsg", recvErr)
	}
	return n, parseSender(r.oob[:oobn]), nil
}

// share lets the group send. The folder belongs to an unprivileged user, who
// may put a link to a file of root's where the socket was bound: what is opened
// without following is looked at, and then changed by its descriptor.
func share(path string, gid int) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK || int(st.Uid) != unix.Geteuid() || st.Nlink != 1 {
		return fmt.Errorf("%s was exchanged while it was bound: somebody else changes that folder", path)
	}
	if err := unix.Fchownat(fd, "", -1, gid, unix.AT_EMPTY_PATH); err != nil {
		return &fs.PathError{Op: "chown", Path: path, Err: err}
	}
	// fchmod(2) refuses a descriptor of O_PATH; chmod(2) through proc(5) does not.
	if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode); err != nil {
		return &fs.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// OwnerOf returns who owns the socket at path.
func OwnerOf(path string) (Owner, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return Owner{}, fmt.Errorf("look at request socket: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || fi.Mode()&fs.ModeSocket == 0 {
		return Owner{}, fmt.Errorf("look at request socket: %s is no socket", path)
	}
	return Owner{UID: st.Uid, GID: st.Gid}, nil
}
