// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/signature"
)

// files looks for each path of the signature lists. Names that may be anywhere
// are the business of sys, which walks.
func (o *ossec) files(ctx context.Context, s *check.Scan) error {
	hits := map[string]signature.File{}
	var order []string
	for _, sig := range o.fileSignatures(s) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := under(s, sig.Path)
		if _, known := hits[p]; sig.Anywhere || known || !s.FS.Exists(p) {
			continue
		}
		hits[p] = sig
		order = append(order, p)
	}
	owned := owners(ctx, s, order)
	for _, p := range order {
		reportRootkit(s, "rootkit-file", p, hits[p], owned[p])
	}
	return nil
}

// reportRootkit reports a path that a signature names. One of our own
// signatures counts for nothing when a package put the file there; an admin's
// signature is reported as in OSSEC.
func reportRootkit(s *check.Scan, rule, p string, sig signature.File, owner string) {
	if owner != "" && sig.Origin == signature.Builtin {
		s.Log.Info("a path that a rootkit uses belongs to a package", "path", p, "rootkit", sig.Name, "package", owner)
		return
	}
	text := rootkitText(sig.Name, p)
	s.Report(aboutHashed(s, check.Finding{
		Kind: check.Rootkit, Rule: rule, Title: text, Wire: text,
		Why: "The rootkit, worm or back door " + event.SafeText(sig.Name) + " is known to use this path; " +
			"nothing else is. Chance is possible only where an admin chose the same name.",
		Advice:   "Look at it with `ls -la` and `file` from a rescue system; see which process has it open with `fuser -v`.",
		Evidence: map[string]string{"rootkit": sig.Name, "signature": sig.Origin},
	}, p))
}
