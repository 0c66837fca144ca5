// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	tableName = "hids"
	chainName = "prerouting"

	// ruleTag marks our rules. Another number makes Add replace the rules that
	// an older hids left.
	ruleTag = "hids 1"

	// hookPriority is that of the raw table: before connection tracking, so
	// that no "established, related accept" of any ruleset comes first and a
	// block cuts standing connections, forwarded ones too.
	hookPriority = -300

	// chunk is how many elements go into one netlink message; its attributes
	// have 16-bit lengths.
	chunk = 500

	netlinkTimeout = 20 * time.Second
	attempts       = 8
)

// nft is an own nftables table. Blocked networks are elements of sets, one set
// per length of prefix, because sets of intervals can't be changed element by
// element on older kernels. Elements carry timeouts: the kernel ends a block
// even if nobody is left to do so. Needs Linux 4.10 or later (inet tables with
// set timeouts and rules with userdata).
type nft struct{}

func (nft) Name() string { return "nftables" }

// set describes one of the table's sets and the rule that looks into it.
type set struct {
	name   string
	v6     bool
	bits   int
	family byte // NFPROTO_*
	offset uint32
}

func sets() []set {
	all := []set{
		{name: "block4", bits: 32, family: unix.NFPROTO_IPV4, offset: 12},
		{name: "block6", v6: true, bits: 128, family: unix.NFPROTO_IPV6, offset: 8},
	}
	for _, bits := range NetworkBits() {
		all = append(all, set{name: fmt.Sprintf("block6net%d", bits), v6: true, bits: bits,
			family: unix.NFPROTO_IPV6, offset: 8})
	}
	return all
}

func (s set) size() int {
	if s.v6 {
		return 16
	}
	return 4
}

func (s set) kernel() *nftables.Set {
	key := nftables.TypeIPAddr
	if s.v6 {
		key = nftables.TypeIP6Addr
	}
	return &nftables.Set{Table: table(), Name: s.name, KeyType: key, HasTimeout: true,
		KeyByteOrder: binaryutil.BigEndian}
}

func (s set) holds(network netip.Prefix) bool {
	return network.Addr().Is6() == s.v6 && network.Bits() == s.bits
}

// rule drops packets whose source, cut to the set's prefix, is in the set.
func (s set) rule() *nftables.Rule {
	size := uint32(s.size())
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{s.family}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: s.offset, Len: size},
	}
	if s.bits < s.size()*8 {
		mask := bytes.Repeat([]byte{0xff}, s.bits/8)
		exprs = append(exprs, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size,
			Mask: append(mask, make([]byte, s.size()-len(mask))...), Xor: make([]byte, s.size())})
	}
	exprs = append(exprs,
		&expr.Lookup{SourceRegister: 1, SetName: s.name},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop})
	return &nftables.Rule{Table: table(), Chain: chain(), Exprs: exprs,
		UserData: userdata.AppendString(nil, userdata.TypeComment, ruleTag)}
}

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: tableName}
}

func chain() *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return &nftables.Chain{Table: table(), Name: chainName, Type: nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityRef(hookPriority), Policy: &policy}
}

// dial opens a connection whose every call ends, however the kernel answers.
func dial(ctx context.Context) (*nftables.Conn, error) {
	deadline := time.Now().Add(netlinkTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return c.SetDeadline(deadline)
	}))
}

// Usable asks the kernel for its tables: that needs the module and the right.
func (nft) Usable(ctx context.Context) error {
	c, err := dial(ctx)
	if err != nil {
		return fmt.Errorf("reach nftables: %w", err)
	}
	if _, err := c.ListTables(); err != nil {
		return fmt.Errorf("list the nftables tables: %w", err)
	}
	return nil
}

// Nftables says why nftables can't be used here, or nil.
func Nftables(ctx context.Context) error { return nft{}.Usable(ctx) }

// Repair puts back the table, its chain or its rules. Elements that were
// flushed with them are the caller's to add.
func (nft) Repair(ctx context.Context) (repaired bool, err error) {
	err = retry(ctx, func(c *nftables.Conn) error {
		if complete(c) {
			return nil
		}
		repaired = true
		install(c)
		return c.Flush()
	})
	if err != nil {
		return repaired, fmt.Errorf("repair the nftables table: %w", err)
	}
	return repaired, nil
}

func (nft) Add(ctx context.Context, blocks []Block) error {
	err := retry(ctx, func(c *nftables.Conn) error {
		if !complete(c) {
			install(c)
		}
		return addElements(c, blocks, time.Now())
	})
	if err != nil {
		return fmt.Errorf("block in nftables: %w", err)
	}
	return nil
}

// complete says whether the chain has our rules and nothing else. Rules keep
// their sets alive, so the sets are there too.
func complete(c *nftables.Conn) bool {
	rules, err := c.GetRules(table(), chain())
	if err != nil || len(rules) != len(sets()) {
		return false
	}
	return !slices.ContainsFunc(rules, func(r *nftables.Rule) bool {
		tag, _ := userdata.GetString(r.UserData, userdata.TypeComment)
		return tag != ruleTag
	})
}

// install queues the table with its chain, sets and rules. What is there
// already stays, the elements above all; the rules are written afresh.
func install(c *nftables.Conn) {
	c.AddTable(table())
	c.AddChain(chain())
	c.FlushChain(chain())
	for _, s := range sets() {
		// The library numbers a set without an ID itself; it can only fail on
		// sets of other kinds.
		_ = c.AddSet(s.kernel(), nil)
		c.AddRule(s.rule())
	}
}

// addElements queues the elements. A kernel before 6.12 does not move the end
// of an element that exists, so each is added (it may be there), deleted (now
// it is) and added with its end. It is one transaction: no packet gets through.
func addElements(c *nftables.Conn, blocks []Block, now time.Time) error {
	for s, elements := range bySet(blocks, now) {
		for part := range slices.Chunk(elements, chunk) {
			if err := errors.Join(c.SetAddElements(s, part),
				c.SetDeleteElements(s, keysOf(part)), c.SetAddElements(s, part)); err != nil {
				return err
			}
			// One transaction each: an acknowledgement waits in the socket's
			// buffer for every message sent.
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// bySet deals the blocks out to the kernel's sets.
func bySet(blocks []Block, now time.Time) iter.Seq2[*nftables.Set, []nftables.SetElement] {
	return func(yield func(*nftables.Set, []nftables.SetElement) bool) {
		for _, s := range sets() {
			var elements []nftables.SetElement
			for _, b := range blocks {
				if s.holds(b.Net) {
					elements = append(elements, nftables.SetElement{
						Key: b.Net.Addr().AsSlice(), Timeout: lifetime(b.Until, now)})
				}
			}
			if len(elements) > 0 && !yield(s.kernel(), elements) {
				return
			}
		}
	}
}

func keysOf(elements []nftables.SetElement) []nftables.SetElement {
	keys := make([]nftables.SetElement, len(elements))
	for i, e := range elements {
		keys[i].Key = e.Key
	}
	return keys
}

// Delete takes the elements out one transaction each, since one that is gone
// already, perhaps by its timeout, would undo the others.
func (nft) Delete(ctx context.Context, nets []netip.Prefix) (found bool, err error) {
	for _, network := range nets {
		blocks := []Block{{Net: network}}
		err := retry(ctx, func(c *nftables.Conn) error {
			for s, elements := range bySet(blocks, time.Now()) {
				if err := c.SetDeleteElements(s, keysOf(elements)); err != nil {
					return err
				}
			}
			err := c.Flush()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			found = found || err == nil
			return err
		})
		if err != nil {
			return found, fmt.Errorf("unblock %s in nftables: %w", network, err)
		}
	}
	return found, nil
}

func (nft) List(ctx context.Context) ([]Block, error) {
	var blocks []Block
	err := retry(ctx, func(c *nftables.Conn) error {
		blocks = nil
		tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
		if err != nil || !slices.ContainsFunc(tables, isOurs) {
			return err
		}
		now := time.Now()
		for _, s := range sets() {
			elements, err := c.GetSetElements(s.kernel())
			if err != nil {
				return fmt.Errorf("%w: %w", errMoved, err)
			}
			blocks = append(blocks, s.blocks(elements, now)...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the blocks in nftables: %w", err)
	}
	return blocks, nil
}

func isOurs(t *nftables.Table) bool { return t.Name == tableName }

func (s set) blocks(elements []nftables.SetElement, now time.Time) []Block {
	var blocks []Block
	for _, e := range elements {
		addr, ok := netip.AddrFromSlice(e.Key)
		if !ok {
			continue
		}
		b := Block{Net: netip.PrefixFrom(addr, s.bits)}
		if e.Timeout > 0 {
			b.Until = now.Add(e.Expires - Margin)
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// errMoved is a reading that may have met a change: the library hides why it
// failed.
var errMoved = errors.New("read a set")

// retry repeats a transaction that met another one: a ruleset that is loaded at
// the same time makes the kernel answer that it is busy, was interrupted, or
// that what was just there is not.
func retry(ctx context.Context, do func(*nftables.Conn) error) error {
	var err error
	for i := range attempts {
		if i > 0 {
			if sleep(ctx, time.Duration(i)*20*time.Millisecond) != nil {
				return err
			}
		}
		var c *nftables.Conn
		if c, err = dial(ctx); err == nil {
			err = do(c)
		}
		if err == nil || !passing(err) {
			return err
		}
	}
	return err
}

func passing(err error) bool {
	causes := []error{errMoved, unix.EBUSY, unix.EEXIST, unix.ENOENT, unix.EINTR, unix.EAGAIN, unix.ENOBUFS}
	return slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) })
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
