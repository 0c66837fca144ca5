// SPDX-License-Identifier: Apache-2.0

package netstat

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// linux/sock_diag.h and linux/packet_diag.h.
const (
	sockDiagByFamily = 20
	packetShowInfo   = 1 << 0
	packetShowFilter = 1 << 5
)

// SockDiag lists a table through sock_diag. Where the kernel cannot, for want
// of the module, the error is errors.ErrUnsupported.
func SockDiag(t Table) ([]Socket, error) {
	req := make([]byte, 56) // inet_diag_req_v2
	req[0], req[1] = unix.AF_INET, map[string]byte{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "raw": unix.IPPROTO_RAW}[t.Proto]
	if t.V6 {
		req[0] = unix.AF_INET6
	}
	if t.Proto == "raw" {
		req[3] = unix.IPPROTO_RAW // sdiag_raw_protocol
	}
	native.PutUint32(req[4:], ^uint32(0)) // every state
	var list []Socket
	err := dump(unix.NETLINK_SOCK_DIAG, sockDiagByFamily, req, func(b []byte) error {
		s, err := ParseInetDiag(b, t.Proto)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s sockets by sock_diag: %w", t.Name(), err)
	}
	return list, nil
}

// PacketDiag lists packet sockets with their filters (which take
// CAP_NET_ADMIN). Without the kernel module the error is errors.ErrUnsupported.
func PacketDiag() ([]PacketSocket, error) {
	req := make([]byte, 20) // packet_diag_req
	req[0] = unix.AF_PACKET
	native.PutUint32(req[8:], packetShowInfo|packetShowFilter)
	var list []PacketSocket
	err := dump(unix.NETLINK_SOCK_DIAG, sockDiagByFamily, req, func(b []byte) error {
		s, err := ParsePacketDiag(b)
		list = append(list, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list packet sockets by sock_diag: %w", err)
	}
	return list, nil
}

// Links lists the network interfaces.
func Links() ([]Link, error) {
	var list []Link
	err := dump(unix.NETLINK_ROUTE, unix.RTM_GETLINK, make([]byte, ifInfoMsgLen), func(b []byte) error {
		l, err := ParseLink(b)
		list = append(list, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return list, nil
}

// dump sends one request and calls f with each answer until the kernel is done.
func dump(family int, kind uint16, body []byte, f func([]byte) error) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family)
	if err != nil {
		return unsupported(err)
	}
	defer unix.Close(fd)
	// The kernel answers from its own memory: this is only there so that no
	// fault of it can stop us for good.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	req := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(body))
	native.PutUint32(req, uint32(unix.NLMSG_HDRLEN+len(body)))
	native.PutUint16(req[4:], kind)
	native.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fd, append(req, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	return receive(fd, f)
}

func receive(fd int, f func([]byte) error) error {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		done, err := messages(buf[:n], f)
		if done || err != nil {
			return err
		}
	}
}

// messages walks one datagram; done means that the dump has ended.
func messages(b []byte, f func([]byte) error) (done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size, kind := int(native.Uint32(b)), native.Uint16(b[4:])
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, errShort
		}
		body := b[unix.NLMSG_HDRLEN:size]
		switch kind {
		case unix.NLMSG_DONE:
			// A dump that could not be made ends with the reason in here.
			if len(body) >= 4 && int32(native.Uint32(body)) < 0 {
				return true, unsupported(unix.Errno(-int32(native.Uint32(body))))
			}
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return false, errShort
			}
			return true, unsupported(unix.Errno(-int32(native.Uint32(body))))
		default:
			if err := f(body); err != nil {
				return false, err
			}
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return false, nil
}

// unsupported marks what the kernel answers when it lacks a part.
func unsupported(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// Binder tries ports. It holds no descriptor between calls, and serves one
// goroutine.
type Binder struct {
	kind   int
	family int  // AF_INET6 with both versions on one socket, or AF_INET
	dual   bool // the host's default is IPv6 alone, so ask for both
	v4     unix.SockaddrInet4
	v6     unix.SockaddrInet6
}

// NewBinder returns a Binder for "tcp" or "udp". Where the kernel has IPv6 one
// bind of the wildcard address covers both versions.
func NewBinder(proto string) (*Binder, error) {
	b := &Binder{kind: unix.SOCK_STREAM, family: unix.AF_INET6}
	if proto == "udp" {
		b.kind = unix.SOCK_DGRAM
	}
	fd, err := b.socket()
	if errors.Is(err, unix.EAFNOSUPPORT) {
		b.family = unix.AF_INET
		fd, err = b.socket()
	}
	if err != nil {
		return nil, fmt.Errorf("try ports: %w", err)
	}
	defer unix.Close(fd)
	if b.family == unix.AF_INET6 {
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		b.dual = err == nil && only != 0
	}
	return b, nil
}

// InUse reports whether a bind of the port on every address is refused because
// somebody has it. Another refusal (no privilege for the port) is an error.
func (b *Binder) InUse(port int) (bool, error) {
	fd, err := b.socket()
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	b.v4.Port, b.v6.Port = port, port
	var addr unix.Sockaddr = &b.v6
	if b.family == unix.AF_INET {
		addr = &b.v4
	}
	switch err := unix.Bind(fd, addr); {
	case err == nil:
		return false, nil
	case errors.Is(err, unix.EADDRINUSE):
		return true, nil
	default:
		return false, os.NewSyscallError("bind", err)
	}
}

func (b *Binder) socket() (int, error) {
	fd, err := unix.Socket(b.family, b.kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if b.dual {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			unix.Close(fd)
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	return fd, nil
}

// ListsBound reports whether sock_diag shows a TCP socket that is bound and
// does nothing else, which it does since Linux 6.8. It opens one to see.
func ListsBound() (bool, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return false, os.NewSyscallError("bind", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	list, err := SockDiag(Table{Proto: "tcp"})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(list, func(s Socket) bool { return s.Inode == uint32(st.Ino) }), nil
}
