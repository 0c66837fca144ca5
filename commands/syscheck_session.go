// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"context"
	"errors"
	"os"

	"hids/modules/syscheckd/baseline"
	"hids/modules/syscheckd/session"
)

// withSession opens the baseline, lets do work with it and closes it.
func (p *program) withSession(ctx context.Context, access session.Access, args []string, do func(*session.Session, []string) error) error {
	paths, err := absolute(args)
	if err != nil {
		return err
	}
	s, err := p.openSession(ctx, access)
	if err != nil {
		return err
	}
	return errors.Join(do(s, paths), s.Close())
}

func (p *program) openSession(ctx context.Context, access session.Access) (*session.Session, error) {
	layout, err := p.layout()
	if err != nil {
		return nil, err
	}
	cfg, err := p.loadConfig(ctx, layout)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	s, err := session.Open(session.Options{
		Layout: layout, Config: cfg, Names: newOwners().names(), Host: host, Access: access,
	})
	if err != nil {
		return nil, baselineError(err)
	}
	for _, f := range s.Warnings() {
		p.warn("%s", f.Error())
	}
	return s, nil
}

// baselineError gives the errors of opening a baseline their exit codes.
func baselineError(err error) error {
	switch {
	case errors.Is(err, baseline.ErrNone):
		return failWith(exitUsage, err)
	case errors.Is(err, session.ErrUnknown):
		return failWith(exitUsage, err)
	}
	return failWith(exitPartial, err)
}
