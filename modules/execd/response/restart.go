// SPDX-License-Identifier: Apache-2.0

package response

import (
	"context"
	"fmt"
	"os"

	"hids/platform/detach"
)

// restart restarts OSSEC. That ends execd, which may end this process too, so
// the restart runs on its own and is not waited for. A delete does nothing, as
// in OSSEC.
func restart(_ context.Context, c call) error {
	if c.deletes() {
		return nil
	}
	control := c.Layout.Join("bin", "ossec-control")
	if _, err := os.Stat(control); err != nil {
		return fmt.Errorf("restart OSSEC: %w", err)
	}
	if err := detach.Start(control, "restart"); err != nil {
		return fmt.Errorf("restart OSSEC: %w", err)
	}
	return nil
}
