// SPDX-License-Identifier: Apache-2.0

package timesync

import (
	"runtime"
	"testing"
)

func TestKept(t *testing.T) {
	_, err := Kept()
	if (err == nil) != (runtime.GOOS == "linux") {
		t.Errorf("got %v", err)
	}
}
