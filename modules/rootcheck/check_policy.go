// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"hids/config"
	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/policy"
	"hids/modules/rootcheck/walk"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/proc"
	"hids/platform/registry"
)

// audit is a policy that the configuration names, and how OSSEC words what is
// true of it.
type audit struct {
	prefix string
	file   string
	kind   check.Kind
}

func audits(cfg *config.Rootcheck) []audit {
	list := make([]audit, 0, len(cfg.SystemAudit))
	for _, file := range cfg.SystemAudit {
		list = append(list, audit{"System Audit", file, check.Policy})
	}
	return append(list, windowsAudits(cfg)...)
}

// allWindowsAudits lists the policies of <windows_audit>, <windows_malware> and
// <windows_apps>, in OSSEC's order.
func allWindowsAudits(cfg *config.Rootcheck) []audit {
	return slices.DeleteFunc([]audit{
		{"Windows Audit", cfg.WindowsAudit, check.Policy},
		{"Windows Malware", cfg.WindowsMalware, check.Suspicious},
		{"Application Found", cfg.WindowsApps, check.Info},
	}, func(a audit) bool { return a.file == "" })
}

// policies asks the policies of the configuration, in order.
func (o *ossec) policies(ctx context.Context, s *check.Scan) error {
	list := audits(s.Config)
	if len(list) == 0 {
		return check.NotApplicable("system audit file not configured")
	}
	return o.ask(ctx, s, PolicyTarget(s.FS, s.Host, s.Config.SkipNFS), list)
}

func (o *ossec) ask(ctx context.Context, s *check.Scan, target policy.Target, list []audit) error {
	for _, a := range list {
		if err := o.policyFile(ctx, s, target, a); err != nil {
			return err
		}
	}
	return nil
}

// PolicyTarget is a host as policies see it. An image has no processes.
func PolicyTarget(files *hostfile.FS, host paths.Host, skipNFS bool) *policy.Host {
	target := &policy.Host{FS: files, SkipNFS: skipNFS}
	if host.Root == "" || host.Proc != "" {
		target.Procs = func() ([]string, error) { return processNames(host) }
	}
	if host.Root == "" {
		target.Reg = registry.Match
		mounts, _ := walk.ReadMounts(host) // a system without procfs has no such list
		target.Leave = func(path string) bool { return mounts.Made[path] || skipNFS && mounts.Remote[path] }
	}
	return target
}

// processNames returns what `ps` shows of each process: the name that the
// kernel keeps, 15 bytes. A process that ends meanwhile is left out.
func processNames(h paths.Host) ([]string, error) {
	pids, err := proc.Pids(h)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errors.ErrUnsupported, err) // not a system with procfs
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(pids))
	for _, pid := range pids {
		if st, err := proc.ReadStat(h, pid); err == nil {
			names = append(names, st.Comm)
		}
	}
	return names, nil
}

func (o *ossec) policyFile(ctx context.Context, s *check.Scan, target policy.Target, a audit) error {
	data, err := o.readOwn(a.file)
	if err != nil {
		s.Fault("read policy", err)
		return nil
	}
	p := policy.Parse(a.file, data)
	for _, f := range p.Faults {
		s.Log.Warn("policy has a fault", "file", f.File, "line", f.Line, "fault", f.Text)
	}
	results, err := policy.Evaluate(ctx, p, target)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.True() {
			reportRule(s, a, r)
		}
	}
	reportScore(s, p, policy.Count(results))
	return nil
}

// reportRule says of a rule what OSSEC would: one message for each detail.
func reportRule(s *check.Scan, a audit, r policy.Result) {
	if len(r.Details) == 0 {
		s.Report(ruleFinding(a, r, nil))
	}
	for i := range r.Details {
		s.Report(ruleFinding(a, r, &r.Details[i]))
	}
}

func ruleFinding(a audit, r policy.Result, d *policy.Detail) check.Finding {
	f := check.Finding{
		Kind: a.kind, Rule: "policy-rule",
		Thing: a.file + "\x00" + r.Rule.Name,
		Wire:  auditText(a.prefix, r.Rule, d),
		Title: safePattern(r.Rule.Name) + ".",
		Why:   "A policy that you configured says that this should be different.",
		Evidence: map[string]string{"policy": a.file, "line": fmt.Sprint(r.Rule.Line),
			"outcome": string(r.Outcome)},
	}
	if r.Rule.Reference != "" {
		f.Advice = "Read " + event.SafeText(r.Rule.Reference) + "."
	}
	if r.Outcome == policy.Applies {
		f.Kind, f.Why = check.Info, "The policy is meant for this host; its other rules count."
	}
	if d != nil {
		f.Thing += "\x00" + d.Text
		key := "file"
		if d.Process {
			key = "process"
		} else {
			f.Path = d.Text
		}
		f.Evidence[key] = d.Text
	}
	return f
}

// reportScore is not OSSEC's, and stays here.
func reportScore(s *check.Scan, p *policy.Policy, score policy.Score) {
	text := fmt.Sprintf("Policy %s: %d pass, %d fail, %d not applicable, %d unknown", event.SafeText(filepath.Base(p.File)),
		score.Pass, score.Fail, score.NotApplicable, score.Unknown)
	if percent, ok := score.Percent(); ok {
		text += fmt.Sprintf("; score %d %%", percent)
	}
	s.Report(check.Finding{Kind: check.Info, Rule: "policy-score", Thing: p.File, Title: text + ".",
		Why:    "How much of what the policy asks for this host has.",
		Advice: "See each rule with `hids rootcheck policy check " + event.SafeText(p.File) + "`."})
}
