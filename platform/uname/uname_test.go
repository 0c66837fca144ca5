// SPDX-License-Identifier: Apache-2.0

package uname_test

import (
	"os"
	"strings"
	"testing"

	"hids/platform/uname"
)

func TestTextNamesTheHost(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	text := uname.Text()
	if !strings.Contains(text, " "+host+" ") || !strings.HasSuffix(text, " - OSSEC HIDS v4.3.0") {
		t.Errorf("%q", text)
	}
}
