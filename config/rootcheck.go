// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"time"

	"hids/config/xmlconf"
)

// defaultRootcheckFrequency is OSSEC's when <frequency> is absent: 20 hours.
const defaultRootcheckFrequency = 72000 * time.Second

// rootcheckElements are the elements of <rootcheck> in OSSEC 4.3, and what
// Wazuh added.
func (l *loader) rootcheckElements() map[string]handler {
	r := &l.cfg.Rootcheck
	table := map[string]handler{
		"disabled":        l.flag(&r.Disabled),
		"frequency":       l.seconds(&r.Frequency),
		"rootkit_files":   l.text(&r.RootkitFiles),
		"rootkit_trojans": l.text(&r.RootkitTrojans),
		"system_audit":    l.texts(&r.SystemAudit),
		"windows_audit":   l.text(&r.WindowsAudit),
		"windows_apps":    l.text(&r.WindowsApps),
		"windows_malware": l.text(&r.WindowsMalware),
		"scanall":         l.flag(&r.ScanAll),
		"readall":         l.flag(&r.ReadAll),
		"skip_nfs":        l.flag(&r.SkipNFS),
		"base_directory":  l.baseDirectory,
		"ignore":          l.pathRules(&r.Ignore),
	}
	for _, check := range rootcheckChecks {
		table["check_"+check] = l.switchOff(check)
	}
	// OSSEC documents check_policy and never built it. What it would do on Unix
	// is what check_unixaudit does.
	table["check_policy"] = l.switchOff("unixaudit")
	return table
}

// rootcheckChecks are what check_… can switch off.
var rootcheckChecks = strings.Fields("dev files if pids ports sys trojans unixaudit winapps winaudit winmalware")

// rootcheckOwnChecks are the checks that OSSEC does not have.
var rootcheckOwnChecks = strings.Fields("tasks procmounts executables preload tools self sockets sniffers " +
	"listeners modules taint bpf kernelsettings filesystem loader accounts")

func (l *loader) rootcheckOwn() map[string]handler {
	r := &l.cfg.Rootcheck
	table := map[string]handler{"hash_suffix": l.flag(&r.HashSuffix)}
	for _, check := range rootcheckOwnChecks {
		table["check_"+check] = l.switchOff(check)
	}
	return table
}

// switchOff reads the switch of one check.
func (l *loader) switchOff(name string) handler {
	return func(n *xmlconf.Node) {
		on := true
		l.flag(&on)(n)
		l.cfg.Rootcheck.Off[name] = !on
		if on {
			delete(l.cfg.Rootcheck.Off, name)
		}
	}
}

// baseDirectory may be empty, which is the default: no prefix.
func (l *loader) baseDirectory(n *xmlconf.Node) {
	l.cfg.Rootcheck.BaseDirectory = strings.TrimRight(l.windows(value(n)), "/")
	l.origin(n)
}
