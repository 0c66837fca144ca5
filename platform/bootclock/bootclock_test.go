// SPDX-License-Identifier: Apache-2.0

package bootclock_test

import (
	"runtime"
	"testing"

	"hids/platform/bootclock"
	"hids/platform/paths"
)

func TestNowGoesForward(t *testing.T) {
	a, err := bootclock.Now()
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Error("no error")
		}
		return
	}
	b, err2 := bootclock.Now()
	if err != nil || err2 != nil || a <= 0 || b < a {
		t.Errorf("%v %v, then %v %v", a, err, b, err2)
	}
	id, err := bootclock.ID(paths.Host{})
	if err != nil || len(id) != 36 {
		t.Errorf("id %q, %v", id, err)
	}
	if _, err := bootclock.ID(paths.Host{Root: t.TempDir()}); err == nil {
		t.Error("an image without procfs has a boot id")
	}
}
