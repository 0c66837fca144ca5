// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"errors"
	"io/fs"

	"hids/modules/event"
	"hids/modules/syscheckd/report"
	"hids/modules/syscheckd/scan"
)

// maxFaults is how many faults are listed; a scan by a plain user has many.
const maxFaults = 20

// faultList keeps the first faults of a scan for the end of it, when no
// progress bar is in the way. Its add is called by one goroutine.
type faultList struct {
	lines []string
	more  int64
}

func (l *faultList) add(f scan.Fault) {
	if len(l.lines) == maxFaults {
		l.more++
		return
	}
	l.lines = append(l.lines, faultText(f))
}

// faultText tells a fault with its path once, and safe: an error of the system
// quotes the path as it is.
func faultText(f scan.Fault) string {
	err := f.Err
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	text := event.SafeText(f.Path) + ": " + event.SafeText(err.Error())
	if f.Unknown {
		text += " (all below it is left as it was)"
	}
	return text
}

func (l *faultList) print(p *program) {
	for _, line := range l.lines {
		p.warn("%s", line)
	}
	if l.more > 0 {
		p.warn("%s more faults like these", report.Count(l.more))
	}
}
