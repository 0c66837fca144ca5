// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"testing"

	"hids/config/fault"
)

func TestErrorText(t *testing.T) {
	f := fault.Fault{Pos: fault.Pos{File: "ossec.conf", Line: 3, Column: 7}, Message: "bad", Hint: "do good"}
	if got, want := f.Error(), "ossec.conf:3:7: bad\n  hint: do good"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (fault.Pos{}).String(); got != "default" {
		t.Errorf("zero position: %q", got)
	}
}

func TestListIsBoundedButStaysFatal(t *testing.T) {
	var l fault.List
	for range fault.MaxFaults * 3 {
		l.Warnf(fault.Pos{}, "", "w")
	}
	if len(l) != fault.MaxFaults || l.Err() != nil {
		t.Fatalf("%d faults, error %v", len(l), l.Err())
	}
	l.Fatalf(fault.Pos{}, "", "f")
	l.Fatalf(fault.Pos{}, "", "g")
	if len(l) != fault.MaxFaults+1 || l.Err() == nil {
		t.Fatalf("%d faults, error %v", len(l), l.Err())
	}
}
