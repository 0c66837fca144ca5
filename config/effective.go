// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one line of the effective configuration. Value is text of the
// configuration files and may hold anything.
type Setting struct {
	Name  string `json:"name"` // section.element
	Value string `json:"value"`
	Pos   Pos    `json:"pos"` // zero: a default
}

// Effective returns everything that is in force, and where each value comes
// from: first the scalars of a section, then its lists.
func (c *Config) Effective() []Setting {
	e := effective{c: c}
	e.syscheck()
	e.rootcheck()
	e.response()
	e.settings()
	return e.list
}

type effective struct {
	c    *Config
	list []Setting
}

// set adds a scalar, whose origin is known by its name.
func (e *effective) set(name, value string) { e.at(name, value, e.c.Origins[name]) }

func (e *effective) at(name, value string, pos Pos) {
	e.list = append(e.list, Setting{name, value, pos})
}

// nonEmpty adds a scalar unless it is empty and nobody wrote it.
func (e *effective) nonEmpty(name, value string) {
	if _, written := e.c.Origins[name]; value != "" || written {
		e.set(name, value)
	}
}

func (e *effective) syscheck() {
	s := &e.c.Syscheck
	e.set("syscheck.disabled", yesNo(s.Disabled))
	e.set("syscheck.frequency", period(s.Frequency))
	e.set("syscheck.scan_on_start", yesNo(s.ScanOnStart))
	if s.ScanTime.Set {
		e.set("syscheck.scan_time", fmt.Sprintf("%02d:%02d", s.ScanTime.Hour, s.ScanTime.Minute))
	}
	if len(s.ScanDays) > 0 {
		e.set("syscheck.scan_day", strings.ToLower(joinAny(s.ScanDays)))
	}
	e.set("syscheck.skip_nfs", yesNo(s.SkipNFS))
	e.nonEmpty("syscheck.prefilter_cmd", strings.Join(s.PrefilterCmd, " "))
	e.set("syscheck.max_files_per_second", limited(int64(s.MaxFilesPS)))
	e.set("syscheck.max_bytes_per_second", limited(s.MaxBytesPS))
	e.set("syscheck.max_events_per_second", limited(int64(s.MaxEventsPS)))
	e.set("syscheck.max_file_size", limited(s.MaxFileSize))
	e.set("syscheck.diff_quota", limited(s.DiffQuota))
	e.nonEmpty("syscheck.diff_file_size", zeroEmpty(s.DiffFileSize))
	e.nonEmpty("syscheck.sum_fields", zeroEmpty(int64(s.SumFields)))
	for i := range s.Directories {
		d := &s.Directories[i]
		e.at("syscheck.directories", strings.TrimSpace(d.Path+" check="+strings.ReplaceAll(d.Checks.String(), " ", "+")+" "+d.Options()), d.Pos)
	}
	e.rules("syscheck.ignore", s.Ignore)
	e.rules("syscheck.nodiff", s.NoDiff)
	for _, k := range s.Registry {
		e.at("syscheck.windows_registry", k.Key+" arch="+k.Arch, k.Pos)
	}
	e.rules("syscheck.registry_ignore", s.RegIgnore)
}

func (e *effective) rules(name string, rules []PathRule) {
	for _, r := range rules {
		if r.Pattern != nil {
			e.at(name, "sregex "+r.Pattern.String(), r.Pos)
		} else {
			e.at(name, r.Prefix, r.Pos)
		}
	}
}

func (e *effective) rootcheck() {
	r := &e.c.Rootcheck
	e.set("rootcheck.disabled", yesNo(r.Disabled))
	e.set("rootcheck.frequency", period(r.Frequency))
	e.set("rootcheck.scanall", yesNo(r.ScanAll))
	e.set("rootcheck.readall", yesNo(r.ReadAll))
	e.set("rootcheck.skip_nfs", yesNo(r.SkipNFS))
	e.set("rootcheck.hash_suffix", yesNo(r.HashSuffix))
	e.nonEmpty("rootcheck.base_directory", r.BaseDirectory)
	e.nonEmpty("rootcheck.rootkit_files", r.RootkitFiles)
	e.nonEmpty("rootcheck.rootkit_trojans", r.RootkitTrojans)
	e.nonEmpty("rootcheck.windows_audit", r.WindowsAudit)
	e.nonEmpty("rootcheck.windows_apps", r.WindowsApps)
	e.nonEmpty("rootcheck.windows_malware", r.WindowsMalware)
	for _, name := range slices.Sorted(maps.Keys(r.Off)) {
		e.set("rootcheck.check_"+name, "no")
	}
	for _, file := range r.SystemAudit {
		e.set("rootcheck.system_audit", file)
	}
	e.rules("rootcheck.ignore", r.Ignore)
}

func (e *effective) response() {
	a := &e.c.ActiveResponse
	e.set("active-response.disabled", yesNo(a.Disabled))
	ladder := make([]string, len(a.RepeatedOffenders))
	for i, step := range a.RepeatedOffenders {
		ladder[i] = strconv.Itoa(int(step / time.Minute))
	}
	e.nonEmpty("active-response.repeated_offenders", strings.Join(ladder, ","))
	e.nonEmpty("active-response.offenders_age", zeroEmpty(int64(a.OffendersAge/time.Second)))
	e.set("active-response.protect_ssh", yesNo(a.ProtectSSH))
	e.set("active-response.keep_on_stop", yesNo(a.KeepOnStop))
	e.set("active-response.concurrency", strconv.Itoa(a.Concurrency))
	e.set("active-response.deadline", period(a.Deadline))
	e.set("active-response.ipv6_prefix", strconv.Itoa(a.IPv6Prefix))
	e.set("active-response.firewall", a.Firewall)
	e.nonEmpty("active-response.white_list", strings.Join(a.WhiteList, ","))
	e.nonEmpty("active-response.notify", strings.Join(append(slices.Clone(a.Notify.Command), a.Notify.URL), " "))
	e.nonEmpty("client.server-ip", strings.Join(e.c.Manager.Addresses, ","))
}

func (e *effective) settings() {
	s, in := &e.c.Settings, &e.c.Internal
	e.set("settings.event_log_size", strconv.FormatInt(s.EventLogSize, 10))
	e.set("settings.event_log_files", strconv.Itoa(s.EventLogFiles))
	e.set("settings.spool_size", strconv.FormatInt(s.SpoolSize, 10))
	e.set("settings.queue", s.Queue)
	e.set("internal.syscheck.sleep", strconv.Itoa(in.SyscheckSleep))
	e.set("internal.syscheck.sleep_after", strconv.Itoa(in.SyscheckSleepAfter))
	e.set("internal.syscheck.debug", strconv.Itoa(in.SyscheckDebug))
	e.set("internal.rootcheck.sleep", strconv.Itoa(in.RootcheckSleep))
}

// Options tells an entry's options beside its checks, in words of the
// configuration file.
func (d *Directory) Options() string {
	var words []string
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"realtime", d.Realtime}, {"whodata", d.Whodata}, {"report_changes", d.ReportChanges},
		{"follow_symbolic_link", d.FollowSymlink}, {"remote", d.Remote},
	} {
		if flag.on {
			words = append(words, flag.name)
		}
	}
	if d.RecursionLevel >= 0 {
		words = append(words, "recursion_level="+strconv.Itoa(d.RecursionLevel))
	}
	if d.Restrict != nil {
		words = append(words, "restrict="+d.Restrict.String())
	}
	if d.DiffSizeLimit > 0 {
		words = append(words, "diff_size_limit="+strconv.FormatInt(d.DiffSizeLimit, 10))
	}
	if len(d.Tags) > 0 {
		words = append(words, "tags="+strings.Join(d.Tags, ","))
	}
	return strings.Join(words, " ")
}

// String names the attributes, with a blank between them, in the order of their
// bits.
func (c Check) String() string {
	names := []string{"size", "perm", "owner", "group", "md5", "sha1", "sha256",
		"mtime", "inode", "attrs", "xattrs", "links", "target"}
	var on []string
	for i, name := range names {
		if c&(1<<i) != 0 {
			on = append(on, name)
		}
	}
	return strings.Join(on, " ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// period is seconds, as OSSEC writes them.
func period(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

func limited(n int64) string {
	if n == 0 || n == unlimited {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

func zeroEmpty(n int64) string {
	if n == 0 {
		return ""
	}
	return limited(n)
}

func joinAny[T fmt.Stringer](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = v.String()
	}
	return strings.Join(words, ",")
}
