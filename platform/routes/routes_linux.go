// SPDX-License-Identifier: Apache-2.0

package routes

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"hids/platform/command"
)

// protocol marks our routes (rtnetlink(7): the kernel does not interpret it). It is no
// other program's, as IPv6 deletes whatever route to the address has it.
const protocol = 104

// errOther is a route to the address that is not ours.
var errOther = errors.New("there is another route to this address alone; remove it first")

func blackhole(_ context.Context, _ command.Func, addr netip.Addr) error {
	made := change(unix.RTM_NEWROUTE, netlink.Create|netlink.Excl, addr)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return made
	}
	// Looking a destination up that has a blackhole answers EINVAL.
	err := lookUp(addr)
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	if made == nil { // another comes before it, with a lower metric
		err = errors.Join(err, remove(addr))
	}
	return errors.Join(errOther, err)
}

func restore(_ context.Context, _ command.Func, addr netip.Addr) error { return remove(addr) }

func remove(addr netip.Addr) error {
	err := change(unix.RTM_DELROUTE, 0, addr)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

func change(kind netlink.HeaderType, flags netlink.HeaderFlags, addr netip.Addr) error {
	return ask(kind, flags|netlink.Acknowledge, addr, unix.RtMsg{
		Table: unix.RT_TABLE_MAIN, Protocol: protocol,
		Scope: unix.RT_SCOPE_UNIVERSE, Type: unix.RTN_BLACKHOLE,
	})
}

func lookUp(addr netip.Addr) error {
	return ask(unix.RTM_GETROUTE, 0, addr, unix.RtMsg{})
}

// ask sends one request of rtnetlink(7) about the route to an address alone.
func ask(kind netlink.HeaderType, flags netlink.HeaderFlags, addr netip.Addr, m unix.RtMsg) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	m.Family, m.Dst_len = unix.AF_INET, uint8(addr.BitLen())
	if addr.Is6() {
		m.Family = unix.AF_INET6
	}
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.RTA_DST, Data: addr.AsSlice()}})
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | flags},
		Data:   append(encode(m), attributes...),
	})
	return err
}

// encode lays out struct rtmsg.
func encode(m unix.RtMsg) []byte {
	b := []byte{m.Family, m.Dst_len, m.Src_len, m.Tos, m.Table, m.Protocol, m.Scope, m.Type}
	return binary.NativeEndian.AppendUint32(b, m.Flags)
}
