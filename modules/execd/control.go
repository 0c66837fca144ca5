// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"hids/modules/execd/blocks"
	"hids/modules/execd/request"
	"hids/platform/control"
	"hids/platform/metrics"
)

// Block is a block as operators see it: an element of GET /blocks.
type Block struct {
	ID      uint64    `json:"id"`
	Name    string    `json:"name"`
	Program string    `json:"program"`
	User    string    `json:"user,omitempty"`
	IP      string    `json:"ip,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Timeout float64   `json:"timeout_seconds"`
	Count   int       `json:"count"`           // requests it answers
	Level   int       `json:"level"`           // blocks of the same offender before
	Alert   string    `json:"alert,omitempty"` // why: the alert and its rule on the manager
	Rule    string    `json:"rule,omitempty"`
	By      string    `json:"by"`    // who asked
	State   string    `json:"state"` // active, starting or ending
}

// Blocks is what GET /blocks answers.
type Blocks struct {
	Blocks []Block `json:"blocks"`
}

// Change is the body of POST /blocks (block) and DELETE /blocks (unblock).
type Change struct {
	ID      uint64   `json:"id,omitempty"`   // of a block to end; the other fields are then not looked at
	Name    string   `json:"name,omitempty"` // in ar.conf, with or without its timeout
	User    string   `json:"user,omitempty"`
	IP      string   `json:"ip,omitempty"`
	Timeout *float64 `json:"timeout_seconds,omitempty"` // instead of ar.conf's; 0: it is not undone by itself, nor listed
	DryRun  bool     `json:"dry_run,omitempty"`         // say what would be done
}

// Outcome is what came, or would come, of a Change.
type Outcome struct {
	Action string   `json:"action"`         // block, extend, refuse or unblock
	Reason string   `json:"reason"`         // of a refusal
	Argv   []string `json:"argv,omitempty"` // what is run
	Blocks []Block  `json:"blocks"`         // what it is about
}

// maxChange bounds the body of a Change.
const maxChange = 64 << 10

// Control answers operators:
//
//	GET    /blocks  Blocks
//	POST   /blocks  Change → Outcome
//	DELETE /blocks  Change → Outcome
//	GET    /status  Stats
//	GET    /metrics the same for Prometheus
func (d *Daemon) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /blocks", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, Blocks{d.list()})
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, d.snapshot())
	})
	mux.Handle("GET /metrics", metrics.Handler(func(_ context.Context, s *metrics.Set) { d.snapshot().measure(s) }))
	mux.HandleFunc("POST /blocks", d.change(d.addByHand))
	mux.HandleFunc("DELETE /blocks", d.change(d.endByHand))
	return mux
}

// errNotFound is about a name or a block that is not there.
var errNotFound = errors.New("not found")

func (d *Daemon) change(do func(Change, string) (Outcome, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c Change
		dec := json.NewDecoder(io.LimitReader(r.Body, maxChange))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&c); err != nil {
			control.WriteError(w, http.StatusBadRequest, fmt.Errorf("read request: %w", err))
			return
		}
		by := "operator"
		if p, ok := control.PeerFrom(r.Context()); ok {
			by = fmt.Sprintf("operator uid %d", p.UID)
		}
		out, err := do(c, by)
		switch {
		case errors.Is(err, errNotFound):
			control.WriteError(w, http.StatusNotFound, err)
		case err != nil:
			control.WriteError(w, http.StatusBadRequest, err)
		default:
			control.WriteJSON(w, http.StatusOK, out)
		}
	}
}

func (d *Daemon) list() []Block {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := []Block{}
	for _, b := range d.store.List() {
		all = append(all, d.view(b))
	}
	return all
}

// view shows a block. The caller holds mu.
func (d *Daemon) view(b blocks.Block) Block {
	v := Block{
		ID: b.ID, Name: b.Name, Program: b.Program, Since: b.Since, Until: b.Until,
		Timeout: b.Timeout.Seconds(), Count: b.Count, Level: b.Level, By: b.By, State: "active",
	}
	r := request.Request{Args: b.Args}
	v.User, v.IP = noDash(r.User()), noDash(r.IP())
	v.Alert, v.Rule = r.Alert(), r.Rule()
	switch {
	case b.Ending:
		v.State = "ending"
	case d.store.NeedsStart(&b):
		v.State = "starting"
	}
	return v
}

func noDash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// addByHand runs a response as if the manager had asked for it.
func (d *Daemon) addByHand(c Change, by string) (Outcome, error) {
	o, err := d.orderByHand(c, by)
	if err != nil {
		return Outcome{}, err
	}
	out := d.foresee(o)
	if c.DryRun {
		return out, nil
	}
	for _, j := range d.accept([]order{o}) {
		d.run(j)
	}
	d.rearm()
	if out.Action != actRefuse {
		out.Blocks = d.foresee(o).Blocks
	}
	return out, nil
}

// foresee says what would come of an order.
func (d *Daemon) foresee(o order) Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := Outcome{Blocks: []Block{}}
	if why := d.judge(o, d.policy.ipv6Prefix); why != "" {
		out.Action, out.Reason = actRefuse, why
		return out
	}
	if b, _ := d.active(o); b != nil {
		out.Action, out.Blocks = actExtend, []Block{d.view(d.store.Shown(b))}
		return out
	}
	out.Action, out.Argv = actBlock, o.entry.prog.argv(add, o.req.Args)
	return out
}

// orderByHand makes an order of an operator's words. agent_control sends the
// same, with another author.
func (d *Daemon) orderByHand(c Change, by string) (order, error) {
	if c.User == "" && c.IP == "" {
		return order{}, errors.New("block by hand: name a user or an address")
	}
	for _, s := range []string{c.User, c.IP, c.Name} {
		if strings.ContainsAny(s, " \x00\n") {
			return order{}, errors.New("block by hand: a name or an address has no blank in it")
		}
	}
	req := request.Request{Name: c.Name, Args: []string{orDash(c.User), orDash(c.IP), "(by_hand)", "(no_rule_id)"}}
	e, err := d.entryByHand(req)
	if err != nil {
		return order{}, err
	}
	o := order{req: req, entry: e, by: by}
	if c.Timeout != nil {
		if *c.Timeout < 0 || *c.Timeout > 100*365*24*3600 {
			return order{}, errors.New("block by hand: the timeout is not between 0 and 100 years")
		}
		t := time.Duration(*c.Timeout * float64(time.Second))
		o.timeout = &t
	}
	return o, nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// entryByHand finds the entry that an operator means: its name in ar.conf, that
// name without the timeout at its end, or a built-in response that ar.conf does
// not have.
func (d *Daemon) entryByHand(req request.Request) (entry, error) {
	names := []string{req.Name}
	for _, e := range d.table.entries() {
		if rest, ok := strings.CutPrefix(e.Name, req.Name); ok && rest != "" && strings.Trim(rest, "0123456789") == "" {
			names = append(names, e.Name)
		}
	}
	for _, name := range names {
		req.Name = name
		found, prog, err := d.lookup(req)
		switch {
		case err == nil:
			return entry{name: found.Name, timeout: found.Timeout, prog: prog}, nil
		case errors.Is(err, fs.ErrNotExist):
			return entry{}, fmt.Errorf("response %q: its program is %w on this system", name, errNotFound)
		case !errors.Is(err, errUnknown):
			return entry{}, fmt.Errorf("response %q: %w", name, err)
		}
	}
	if p, err := d.programs().find(names[0]); err == nil && p.builtIn {
		return entry{name: names[0], prog: p}, nil
	}
	return entry{}, fmt.Errorf("response %q: %w in ar.conf", names[0], errNotFound)
}

// endByHand ends blocks before their time. What is not in the table is undone
// all the same when its response is named: blocks with timeout 0 are not in it.
func (d *Daemon) endByHand(c Change, by string) (Outcome, error) {
	out := d.endBlocks(c, by)
	if len(out.Blocks) > 0 || c.ID != 0 || c.Name == "" {
		return out, notFoundIf(len(out.Blocks) == 0)
	}
	o, err := d.orderByHand(c, by)
	if err != nil {
		return out, err
	}
	j := o.job()
	j.action, j.lane = remove, o.key(d.prefix())
	out.Argv = j.prog.argv(remove, j.words)
	if c.DryRun {
		return out, nil
	}
	d.mu.Lock()
	ready := d.enter([]*job{j})
	d.mu.Unlock()
	for _, j := range ready {
		d.run(j)
	}
	return out, nil
}

func (d *Daemon) prefix() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.policy.ipv6Prefix
}

func notFoundIf(missing bool) error {
	if missing {
		return fmt.Errorf("a block like this is %w", errNotFound)
	}
	return nil
}

func (d *Daemon) endBlocks(c Change, by string) Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := Outcome{Action: actUnblock, Blocks: []Block{}}
	for _, listed := range d.store.List() {
		if listed.Ending || !matches(c, listed) {
			continue
		}
		out.Blocks = append(out.Blocks, d.view(listed))
		if !c.DryRun {
			b := d.store.Get(listed.ID)
			b.By = by
			d.store.End(b)
		}
	}
	d.save()
	d.rearm()
	return out
}

// matches says whether a block is one that an operator means: all that is given
// must agree, and something of the target must be given.
func matches(c Change, b blocks.Block) bool {
	if c.ID != 0 {
		return b.ID == c.ID
	}
	r := request.Request{Args: b.Args}
	if timeout, ok := strings.CutPrefix(b.Name, c.Name); !ok || c.Name != "" && strings.Trim(timeout, "0123456789") != "" {
		return false
	}
	sameIP := c.IP == r.IP() || readTarget(c.IP).addr.IsValid() && readTarget(c.IP).addr == readTarget(r.IP()).addr
	return (c.IP != "" || c.User != "") && (c.IP == "" || sameIP) && (c.User == "" || c.User == r.User())
}
