// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"fmt"
	"path/filepath"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/policy"
	"hids/platform/hostfile"
	"hids/platform/paths"
	"hids/platform/proc"
)

// policies asks the policies of <system_audit>, in order.
func (o *ossec) policies(ctx context.Context, s *check.Scan) error {
	if len(s.Config.SystemAudit) == 0 {
		return check.NotApplicable("system audit file not configured")
	}
	target := PolicyTarget(s.FS, s.Host, s.Config.SkipNFS)
	for _, name := range s.Config.SystemAudit {
		if err := o.policyFile(ctx, s, target, name); err != nil {
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
	return target
}

// processNames returns what `ps` shows of each process: the name that the
// kernel keeps, 15 bytes. A process that ends meanwhile is left out.
func processNames(h paths.Host) ([]string, error) {
	pids, err := proc.Pids(h)
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

func (o *ossec) policyFile(ctx context.Context, s *check.Scan, target policy.Target, name string) error {
	data, err := o.readOwn(name)
	if err != nil {
		s.Fault("read policy", err)
		return nil
	}
	p := policy.Parse(name, data)
	for _, f := range p.Faults {
		s.Log.Warn("policy has a fault", "file", f.File, "line", f.Line, "fault", f.Text)
	}
	results, err := policy.Evaluate(ctx, p, target)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.True() {
			reportRule(s, p, r)
		}
	}
	reportScore(s, p, policy.Count(results))
	return nil
}

// reportRule says of a rule what OSSEC would: one message for each detail.
func reportRule(s *check.Scan, p *policy.Policy, r policy.Result) {
	if len(r.Details) == 0 {
		s.Report(ruleFinding(p, r, nil))
	}
	for i := range r.Details {
		s.Report(ruleFinding(p, r, &r.Details[i]))
	}
}

func ruleFinding(p *policy.Policy, r policy.Result, d *policy.Detail) check.Finding {
	f := check.Finding{
		Kind: check.Policy, Rule: "policy-rule",
		Thing: p.File + "\x00" + r.Rule.Name,
		Wire:  auditText(r.Rule, d),
		Title: safePattern(r.Rule.Name) + ".",
		Why:   "A policy that you configured says that this should be different.",
		Evidence: map[string]string{"policy": p.File, "line": fmt.Sprint(r.Rule.Line),
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
