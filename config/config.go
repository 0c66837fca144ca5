// SPDX-License-Identifier: Apache-2.0

// Package config turns configuration files into values: bytes in, values and
// faults out. It knows OSSEC's dialects (subpackages xmlconf, arconf, options,
// match) and hids's defaults; it does not know how a value is used, and it
// starts nothing. Every fault carries file:line:column and a hint.
package config

import (
	"time"

	"hids/config/fault"
	"hids/config/match"
)

// Config is everything the modules take from configuration files.
type Config struct {
	Syscheck       Syscheck
	Rootcheck      Rootcheck
	ActiveResponse ActiveResponse
	Manager        Manager
	Settings       Settings
	Internal       Internal
	Files          []string       // what was read, in order; empty: the embedded default
	Origins        map[string]Pos // where a scalar was written, by its name in Effective; not in it: a default
}

// Internal is what hids takes from internal_options.conf. Values are OSSEC's.
type Internal struct {
	SyscheckSleep      int // seconds, 0 to 64
	SyscheckSleepAfter int // files, 1 to 9999
	SyscheckDebug      int // 0 to 2; counts when no -d is given
	RootcheckSleep     int // seconds, 0 to 64
}

// Pos is where a value was written. The zero Pos is a default.
type Pos = fault.Pos

// Fault is one thing that is wrong with a configuration file.
type Fault = fault.Fault

// Faults is faults in the order in which they were found.
type Faults = fault.List

// Check is a set of attributes of a file that a directory entry watches.
type Check uint32

// The attributes. The first eight are OSSEC's; the others are Wazuh's and ours.
const (
	CheckSize Check = 1 << iota
	CheckPerm
	CheckOwner
	CheckGroup
	CheckMD5
	CheckSHA1
	CheckSHA256
	CheckMtime
	CheckInode
	CheckAttrs  // chattr flags, Windows attributes
	CheckXattrs // capabilities, SELinux label, POSIX ACL
	CheckLinks  // hard link count
	CheckTarget // what a symbolic link points to

	CheckSums = CheckMD5 | CheckSHA1 | CheckSHA256
	// CheckAll is what check_all="yes" means here: OSSEC's attributes and
	// those that change only when somebody changes them. Times and the inode
	// are left out, as in OSSEC: they change when nothing that matters does.
	CheckAll = CheckSize | CheckPerm | CheckOwner | CheckGroup | CheckSums |
		CheckAttrs | CheckXattrs | CheckTarget
)

// Syscheck configures file integrity monitoring.
type Syscheck struct {
	Disabled     bool
	Directories  []Directory // in order of appearance, globs not expanded
	Ignore       []PathRule
	NoDiff       []PathRule
	Frequency    time.Duration
	ScanTime     ClockTime      // zero Set: not configured
	ScanDays     []time.Weekday // empty: not configured
	ScanOnStart  bool
	SkipNFS      bool
	PrefilterCmd []string // argv; only ever from a local file
	Registry     []RegistryKey
	RegIgnore    []PathRule
	DiffQuota    int64 // bytes of stored copies for report_changes, all files together
	DiffFileSize int64 // bytes; larger files have no content diff, unless their entry says otherwise; 0: the default of the module
	MaxFileSize  int64 // bytes; larger files have no sums; 0: no limit
	MaxFilesPS   int   // files per second in a scan; 0: no limit
	MaxBytesPS   int64 // bytes per second in a scan; 0: no limit
	MaxEventsPS  int   // events per second to the queue; 0: no limit
	SumFields    int   // 6 or 7 fields on OSSEC's wire; 0: what the replaced install sent
}

// Directory is one path of a <directories> element.
type Directory struct {
	Path           string // absolute, cleaned; may hold glob characters
	Checks         Check
	Realtime       bool
	Whodata        bool
	ReportChanges  bool
	Restrict       *match.Match // nil: every file
	RecursionLevel int          // -1: no limit; 0: the directory's own entries only
	DiffSizeLimit  int64        // bytes; 0: the default of the module
	Tags           []string
	FollowSymlink  bool
	Remote         bool // came from agent.conf
	Pos            Pos
}

// PathRule is an <ignore>, <nodiff> or <registry_ignore> entry: either a
// prefix, compared without regard to case as OSSEC does, or a pattern.
type PathRule struct {
	Prefix  string
	Pattern *match.Match
	Pos     Pos
}

// ClockTime is a time of day, local.
type ClockTime struct {
	Set          bool
	Hour, Minute int
}

// RegistryKey is one key of <windows_registry>.
type RegistryKey struct {
	Key  string
	Pos  Pos
	Arch string // "32bit", "64bit" or "both"
}

// Rootcheck configures rootkit and policy checks.
type Rootcheck struct {
	Disabled       bool
	Frequency      time.Duration
	RootkitFiles   string // paths as written; relative ones are below the home
	RootkitTrojans string
	SystemAudit    []string
	WindowsAudit   string
	WindowsApps    string
	WindowsMalware string
	ScanAll        bool
	ReadAll        bool
	SkipNFS        bool
	BaseDirectory  string
	Ignore         []PathRule
	Off            map[string]bool // checks switched off: "dev", "files", "if", "pids", "ports", "sys", "trojans", "unixaudit" …
	HashSuffix     bool            // OSSEC 4.3's MD5/SHA1/SHA256 suffix on messages
}

// ActiveResponse configures execd.
type ActiveResponse struct {
	Disabled          bool
	RepeatedOffenders []time.Duration // the ladder; empty: off
	OffendersAge      time.Duration   // an offender's history ends after this; 0: never
	WhiteList         []string        // addresses, CIDR prefixes, host names
	ProtectSSH        bool            // never block the peer of an administrator's SSH session
	KeepOnStop        bool            // pending unblocks wait for the next start instead of running at TERM
	Concurrency       int             // programs at once
	Deadline          time.Duration   // a program that runs longer is killed
	IPv6Prefix        int             // 128, or 64, 56 or 48 to block the whole network
	Firewall          string          // the packet filter that firewall-drop uses, one of firewalls; "auto": the best that works
	Notify            Notify
}

// Notify is the target of the built-in response "notify".
type Notify struct {
	URL     string
	Command []string // argv
}

// Manager is what hids needs to know of <client>: whom never to block.
type Manager struct {
	Addresses []string // server-ip and server-hostname
}

// Settings are hids's own, from hids.conf.
type Settings struct {
	EventLogSize  int64  // bytes before the event log rotates
	EventLogFiles int    // rotated files kept
	SpoolSize     int64  // bytes of undelivered events kept on disk
	Queue         string // "auto": the OSSEC queue when its socket exists; "yes"; "no"
}
