// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"fmt"

	"hids/platform/accounts"
)

// disableAccount locks an account, or gives it back.
func disableAccount(ctx context.Context, c call) error {
	name := c.arg(1)
	if err := accounts.Check(c.Host, name); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	box := accounts.Open(c.Host, c.Run, c.Layout.State("execd"))
	if c.deletes() {
		return box.Unlock(ctx, name)
	}
	c.recorded()
	return box.Lock(ctx, name)
}
