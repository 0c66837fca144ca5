// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watch joins the group to which the kernel tells every change of nftables.
func watch(ctx context.Context) (*Watcher, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("watch nftables: %w", err)
	}
	if err := conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		conn.Close()
		return nil, fmt.Errorf("watch nftables: %w", err)
	}
	w := &Watcher{lost: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(w.lost)
		w.receive(conn)
	}()
	unhook := context.AfterFunc(ctx, func() { conn.Close() })
	w.stop = func() {
		unhook()
		conn.Close()
		<-ended
	}
	return w, nil
}

// receive ends when the connection is closed.
func (w *Watcher) receive(conn *netlink.Conn) {
	for {
		messages, err := conn.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			w.signal() // messages were lost: ours may have been among them
		case err != nil:
			return
		case slices.ContainsFunc(messages, takesOurs):
			w.signal()
		}
	}
}

// firewalldTable is made anew whenever firewalld is reloaded or started, and
// rules that were added at run time, as ours are, are then gone.
const firewalldTable = "firewalld"

// takesOurs says whether a message tells of the end of our table or of a part
// of it, or of firewalld's. Single elements do not count: who deletes one by
// hand means to.
func takesOurs(m netlink.Message) bool {
	const headerLen = 4 // struct nfgenmsg
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.Data) < headerLen ||
		nftables.TableFamily(m.Data[0]) != nftables.TableFamilyINet {
		return false
	}
	switch m.Header.Type & 0xff {
	case unix.NFT_MSG_DELTABLE:
		name := tableOf(m.Data[headerLen:])
		return name == tableName || name == firewalldTable
	case unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET:
		return tableOf(m.Data[headerLen:]) == tableName
	}
	return false
}

// tableOf reads the attribute that names the table; it has the same number in
// all these messages.
func tableOf(attributes []byte) string {
	ad, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return ""
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return ad.String()
		}
	}
	return ""
}
