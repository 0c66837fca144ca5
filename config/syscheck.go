// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path"
	"strings"
	"time"

	"hids/config/xmlconf"
)

// defaultSyscheckFrequency is OSSEC's when <frequency> is absent, 2 ×
// SYSCHECK_WAIT.
const defaultSyscheckFrequency = 600 * time.Second

// syscheckElements are the elements of <syscheck> in OSSEC 4.3, and those that
// Wazuh added with the same meaning.
func (l *loader) syscheckElements() map[string]handler {
	s := &l.cfg.Syscheck
	return map[string]handler{
		"directories":      l.directories,
		"ignore":           l.pathRules(&s.Ignore),
		"nodiff":           l.pathRules(&s.NoDiff),
		"registry_ignore":  l.pathRules(&s.RegIgnore),
		"windows_registry": l.registry,
		"frequency":        l.seconds(&s.Frequency),
		"scan_time":        l.scanTime,
		"scan_day":         l.scanDay,
		"scan_on_start":    l.flag(&s.ScanOnStart),
		"disabled":         l.flag(&s.Disabled),
		"skip_nfs":         l.flag(&s.SkipNFS),
		"prefilter_cmd":    l.prefilter,

		// Wazuh's.
		"max_eps":              l.count(&s.MaxEventsPS, 0, 1_000_000),
		"max_files_per_second": l.count(&s.MaxFilesPS, 0, 1_000_000),
		"diff":                 l.diff,
	}
}

// meaningless elements of <syscheck> are the manager's own, and those of Wazuh
// that have no counterpart here.
var meaningless = strings.Fields(`auto_ignore alert_new_files skip_dev skip_proc skip_sys process_priority
	synchronization file_limit registry_limit whodata audit_key windows_audit_interval notify_first_scan
	allow_remote_prefilter_cmd registry_nodiff restart_audit`)

// syscheckOwn are the elements that only hids has.
func (l *loader) syscheckOwn() map[string]handler {
	s := &l.cfg.Syscheck
	return map[string]handler{
		"max_events_per_second": l.count(&s.MaxEventsPS, 0, 1_000_000),
		"max_bytes_per_second":  l.size(&s.MaxBytesPS),
		"max_file_size":         l.size(&s.MaxFileSize),
		"diff_quota":            l.size(&s.DiffQuota),
		"diff_file_size":        l.size(&s.DiffFileSize),
		"sum_fields":            l.sumFields,
	}
}

func (l *loader) sumFields(n *xmlconf.Node) {
	switch value(n) {
	case "auto":
		l.cfg.Syscheck.SumFields = 0
	case "6":
		l.cfg.Syscheck.SumFields = 6
	case "7":
		l.cfg.Syscheck.SumFields = 7
	default:
		l.bad(n.PosAt(0), "write 6 for a manager before OSSEC 4.0, 7 from then on, or auto", "sum_fields is %.60q", value(n))
		return
	}
	l.origin(n)
}

// prefilter takes the program whose output is hashed in place of a file. It
// runs with the rights of hids, so it is never taken from a manager.
func (l *loader) prefilter(n *xmlconf.Node) {
	if l.src.remote {
		l.warn(n.Pos, "set it in ossec.conf of this host", "<prefilter_cmd> is not taken from a manager")
		return
	}
	argv := strings.Fields(l.windows(value(n)))
	if len(argv) == 0 || (!path.IsAbs(argv[0]) && !isWindowsPath(argv[0])) {
		l.bad(n.PosAt(0), "write the whole path of the program; no shell runs it", "prefilter_cmd is %.60q", value(n))
		return
	}
	l.cfg.Syscheck.PrefilterCmd = argv
	l.origin(n)
}

// diff is Wazuh's <diff>, of which hids knows the sizes and <nodiff>.
func (l *loader) diff(n *xmlconf.Node) {
	for _, child := range n.Children {
		switch child.Name {
		case "nodiff":
			l.pathRules(&l.cfg.Syscheck.NoDiff)(child)
		case "disk_quota":
			l.limit(child, "diff_quota", &l.cfg.Syscheck.DiffQuota)
		case "file_size":
			l.limit(child, "diff_file_size", &l.cfg.Syscheck.DiffFileSize)
		default:
			l.bad(child.Pos, didYouMean(child.Name, []string{"nodiff", "disk_quota", "file_size"}), "unknown element <%s> in <diff>", child.Name)
		}
	}
}

// limit reads Wazuh's <enabled> and <limit>. A limit that is switched off is
// the largest there is.
func (l *loader) limit(n *xmlconf.Node, name string, target *int64) {
	for _, child := range n.Children {
		switch child.Name {
		case "enabled":
			if yes, ok := l.yesNo("enabled", value(child), child.PosAt(0)); ok && !yes {
				*target = unlimited
			}
		case "limit":
			size, ok := parseSize(value(child))
			if !ok {
				l.bad(child.PosAt(0), "write a number and a unit, as 50MB", "limit of <%s> is %.60q", n.Name, value(child))
			} else if *target != unlimited {
				*target = size
			}
		default:
			l.bad(child.Pos, "", "unknown element <%s> in <%s>", child.Name, n.Name)
		}
	}
	l.cfg.Origins["syscheck."+name] = n.Pos
}

const unlimited = 1 << 62

// pathRules reads one <ignore>, <nodiff> or <registry_ignore>.
func (l *loader) pathRules(target *[]PathRule) handler {
	return func(n *xmlconf.Node) {
		rule := PathRule{Pos: n.Pos}
		text := l.windows(value(n))
		kind := "" // or "sregex"
		for _, a := range n.Attrs {
			if a.Name != "type" || a.Value != "sregex" {
				l.bad(a.Pos, `the only attribute is type="sregex"`, "attribute %s=%.60q of <%s>", a.Name, a.Value, n.Name)
				return
			}
			kind = a.Value
		}
		if text == "" {
			l.bad(n.Pos, "take it out, or fill it", "an empty <%s> covers every file", n.Name)
			return
		}
		if kind != "" {
			m, ok := l.pattern(n.Name, text, n.PosAt(0))
			if !ok {
				return
			}
			if m.Everything() {
				l.bad(n.PosAt(0), "take the empty alternative out", "<%s> %.60q covers every file", n.Name, text)
				return
			}
			rule.Pattern = m
		} else {
			rule.Prefix = text
		}
		if _, twice := l.repeated(l.section+" "+n.Name+kind, text, n.Pos); !twice {
			*target = append(*target, rule)
		}
	}
}

func (l *loader) registry(n *xmlconf.Node) {
	arch := "both"
	for _, a := range n.Attrs {
		switch {
		case a.Name == "arch" && (a.Value == "32bit" || a.Value == "64bit" || a.Value == "both"):
			arch = a.Value
		case a.Name == "arch":
			l.bad(a.Pos, "write 32bit, 64bit or both", "arch is %.60q", a.Value)
		}
	}
	for _, p := range list(n) {
		hive, _, _ := strings.Cut(p.text, `\`)
		switch hive {
		case "HKEY_LOCAL_MACHINE", "HKEY_CLASSES_ROOT", "HKEY_CURRENT_CONFIG", "HKEY_USERS":
			l.cfg.Syscheck.Registry = append(l.cfg.Syscheck.Registry, RegistryKey{Key: p.text, Pos: p.pos, Arch: arch})
		default:
			l.warn(p.pos, "OSSEC knows HKEY_LOCAL_MACHINE, HKEY_CLASSES_ROOT, HKEY_CURRENT_CONFIG and HKEY_USERS",
				"registry key %.60q is in no hive, left out", p.text)
		}
	}
}
