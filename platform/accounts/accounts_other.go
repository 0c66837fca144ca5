// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package accounts

import "context"

// lock leaves no record: these systems keep the lock apart from the password.
func (b *Box) lock(ctx context.Context, name string) error {
	d, err := system()
	if err != nil {
		return err
	}
	return b.do(ctx, d.lock(name), d.harmless)
}

func (b *Box) unlock(ctx context.Context, name string) error {
	d, err := system()
	if err != nil {
		return err
	}
	return b.do(ctx, d.unlock(name), d.harmless)
}
