// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"errors"
	"fmt"

	"hids/platform/accounts"
)

// disableAccount locks an account, or gives it back.
func disableAccount(ctx context.Context, c call) error {
	name := c.arg(1)
	box := accounts.Open(c.Host, c.Run, c.Layout.State("execd"))
	switch err := accounts.Check(c.Host, name); {
	case errors.Is(err, accounts.ErrNoAccount) && c.deletes():
		return box.Forget(ctx, name)
	case errors.Is(err, accounts.ErrUnreadable):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if c.deletes() {
		return box.Unlock(ctx, name)
	}
	c.recorded()
	return box.Lock(ctx, name)
}
