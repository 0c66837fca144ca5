// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"hids/config/defaults"
	"hids/config/fault"
	"hids/config/options"
	"hids/config/xmlconf"
)

// LoadOptions says what to load. An empty path is not read.
type LoadOptions struct {
	OssecConf            string
	HidsConf             string
	AgentConf            string
	AgentInfo            string // agentd's note of name and profile, for the selectors of AgentConf
	InternalOptions      string
	LocalInternalOptions string

	// Required makes a missing OssecConf a fault. Else the embedded default
	// takes its place.
	Required bool
	// OS is the text that os="…" of agent.conf is matched with, as OSSEC makes
	// it: "sysname nodename release version machine - OSSEC HIDS v4.3.0".
	OS string
	// Windows takes paths as Windows has them: %VARIABLES% and backslashes.
	Windows bool
	Getenv  func(string) string // for Windows; nil: os.Getenv
	// ReadFile reads a whole file; nil: the file system.
	ReadFile func(name string) ([]byte, error)
}

// Default returns the configuration that no file says anything about: OSSEC's
// own defaults, and ours where OSSEC has none. No folder is watched.
func Default() *Config {
	return &Config{
		Syscheck: Syscheck{
			Frequency:   defaultSyscheckFrequency,
			ScanOnStart: true,
			DiffQuota:   1 << 30,
		},
		Rootcheck: Rootcheck{
			Frequency: defaultRootcheckFrequency,
			Off:       map[string]bool{},
		},
		ActiveResponse: ActiveResponse{
			ProtectSSH:  true,
			Concurrency: 16,
			Deadline:    defaultDeadline,
			IPv6Prefix:  128,
			Firewall:    "auto",
		},
		Settings: Settings{EventLogSize: 50 << 20, EventLogFiles: 5, SpoolSize: 64 << 20, Queue: "auto"},
		Internal: Internal{SyscheckSleep: 2, SyscheckSleepAfter: 15, RootcheckSleep: 2},
		Origins:  map[string]Pos{},
	}
}

// Load reads all files and returns the configuration and every fault found.
// When a fault is fatal (Faults.Err) the configuration is nil. Faults of
// AgentConf never are: what a manager pushes must not stop an agent, so what is
// bad there is left out, and the rest counts.
func Load(ctx context.Context, o LoadOptions) (*Config, Faults) {
	if o.ReadFile == nil {
		o.ReadFile = readFile
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	l := &loader{opts: o, cfg: Default(), seen: map[string]Pos{}}
	if o.Windows { // OSSEC's defaults there
		l.cfg.ActiveResponse.Disabled = true
		l.cfg.Rootcheck.BaseDirectory = "C:"
	}
	for _, step := range []func(){l.local, l.remote, l.internal, l.check} {
		if ctx.Err() != nil {
			l.faults.Fatalf(Pos{File: o.OssecConf}, "", "load the configuration: %v", ctx.Err())
			break
		}
		step()
	}
	if l.faults.Fatal() {
		return nil, l.faults
	}
	return l.cfg, l.faults
}

// loader carries a configuration through its files.
type loader struct {
	opts    LoadOptions
	cfg     *Config
	faults  fault.List
	src     source
	section string // "syscheck", for Origins
	first   firstOnly
	seen    map[string]Pos // entries of lists that must not come twice, by element and text
}

// repeated tells whether an entry of a list was there before, and where.
func (l *loader) repeated(element, text string, pos Pos) (Pos, bool) {
	key := element + "\x00" + text
	before, twice := l.seen[key]
	if !twice {
		l.seen[key] = pos
	}
	return before, twice
}

// source is the kind of file that is being read.
type source struct {
	name   string
	root   string // name of the root elements
	own    bool   // hids.conf: may hold what OSSEC's daemons refuse
	remote bool   // agent.conf: comes from a manager
}

// local reads ossec.conf and hids.conf, or the embedded default for what is
// not there.
func (l *loader) local() {
	ossec := source{name: l.opts.OssecConf, root: "ossec_config"}
	own := source{name: l.opts.HidsConf, root: "hids_config", own: true}
	ossecRoots, haveOssec := l.read(ossec)
	ownRoots, haveOwn := l.read(own)
	if !haveOssec && l.opts.Required {
		l.faults.Fatalf(Pos{File: ossec.name}, "check the name", "the configuration file does not exist")
		return
	}
	if haveOssec {
		l.apply(ossec, ossecRoots)
	} else if !hasDirectories(ownRoots) {
		ossec.name = DefaultName
		roots, faults := xmlconf.Parse(ossec.name, []byte(defaults.OssecConf))
		l.faults.Append(faults)
		l.apply(ossec, roots)
	}
	if haveOwn {
		l.apply(own, ownRoots)
	}
}

// DefaultName stands for the embedded default in positions.
const DefaultName = "built-in ossec.conf"

// hasDirectories tells whether a hids.conf says itself what to watch.
func hasDirectories(roots []*xmlconf.Node) bool {
	for _, root := range roots {
		for _, section := range root.Children {
			for _, n := range section.Children {
				if section.Name == "syscheck" && n.Name == "directories" {
					return true
				}
			}
		}
	}
	return false
}

// read returns the root elements of a file, and whether the file is there.
func (l *loader) read(src source) ([]*xmlconf.Node, bool) {
	data, ok := l.bytes(src)
	if !ok {
		return nil, false
	}
	l.cfg.Files = append(l.cfg.Files, src.name)
	roots, faults := xmlconf.Parse(src.name, data)
	broken := faults.Fatal()
	for _, f := range faults {
		f.Fatal = f.Fatal && !src.remote
		l.faults.Add(f)
	}
	if broken {
		return nil, true // what a broken file means is a guess
	}
	return roots, true
}

// bytes reads a file. One that does not exist is no fault.
func (l *loader) bytes(src source) ([]byte, bool) {
	if src.name == "" {
		return nil, false
	}
	data, err := l.opts.ReadFile(src.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		l.faults.Add(Fault{Pos: Pos{File: src.name}, Message: "read: " + reason(err),
			Hint: "make it readable for the user that hids runs as", Fatal: !src.remote})
		return nil, false
	}
	return data, true
}

// reason is an error without the path, which the position has already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// readFile reads a regular file of a size that a configuration can have.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	return io.ReadAll(io.LimitReader(f, xmlconf.MaxSize+1))
}

// remote reads agent.conf, after everything local as OSSEC does.
func (l *loader) remote() {
	src := source{name: l.opts.AgentConf, root: "agent_config", remote: true}
	roots, ok := l.read(src)
	if !ok {
		return
	}
	agent := l.agent()
	for _, root := range roots {
		if root.Name != src.root {
			l.apply(src, []*xmlconf.Node{root})
		} else if l.selects(root, agent) {
			l.apply(src, []*xmlconf.Node{root})
		}
	}
}

// internal reads the internal options and derives the rate of a scan.
func (l *loader) internal() {
	var opts options.Options
	for _, name := range []string{l.opts.LocalInternalOptions, l.opts.InternalOptions} {
		data, ok := l.bytes(source{name: name})
		if !ok {
			continue
		}
		l.cfg.Files = append(l.cfg.Files, name)
		f, faults := options.Parse(name, data)
		l.faults.Append(faults)
		opts = append(opts, f)
	}
	in := &l.cfg.Internal
	l.option(opts, "syscheck.sleep", 0, 64, &in.SyscheckSleep)
	l.option(opts, "syscheck.sleep_after", 1, 9999, &in.SyscheckSleepAfter)
	l.option(opts, "syscheck.debug", 0, 2, &in.SyscheckDebug)
	l.option(opts, "rootcheck.sleep", 0, 64, &in.RootcheckSleep)
	l.rate()
}

func (l *loader) option(opts options.Options, key string, least, most int, target *int) {
	n, faults := opts.Int(key, least, most, *target)
	l.faults.Append(faults)
	*target = n.Value
	if n.Pos != (Pos{}) {
		l.cfg.Origins["internal."+key] = n.Pos
	}
}

// rate turns OSSEC's pauses into a limit on files per second, if an admin asked
// for them. The shipped values would stretch a scan of 100,000 files over
// hours; who did not choose them does not want that.
func (l *loader) rate() {
	in := l.cfg.Internal
	_, own := l.cfg.Origins["syscheck.max_files_per_second"]
	if own || in.SyscheckSleep == 0 {
		return
	}
	chosen := in.SyscheckSleep != 2 || in.SyscheckSleepAfter != 15
	for _, key := range []string{"internal.syscheck.sleep", "internal.syscheck.sleep_after"} {
		pos, ok := l.cfg.Origins[key]
		if ok && pos.File == l.opts.LocalInternalOptions {
			chosen = true
		}
		if chosen && ok {
			l.cfg.Origins["syscheck.max_files_per_second"] = pos
		}
	}
	if chosen {
		l.cfg.Syscheck.MaxFilesPS = max(1, in.SyscheckSleepAfter/in.SyscheckSleep)
	}
}

// check looks at the whole.
func (l *loader) check() {
	s := &l.cfg.Syscheck
	if len(s.Directories) == 0 && !s.Disabled && !l.faults.Fatal() {
		l.faults.Warnf(Pos{File: l.opts.OssecConf}, `add <directories check_all="yes">/etc</directories> to <syscheck>`,
			"no folder is watched: there are no <directories>")
	}
}
