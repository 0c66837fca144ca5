// SPDX-License-Identifier: Apache-2.0

package response

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hids/modules/event"
	"hids/platform/logging"
	"hids/platform/paths"
)

// dateLayout is what date(1) prints in the C locale. OSSEC's decoder ar_log,
// and so rules 601 to 606, read nothing else.
const dateLayout = "Mon Jan _2 15:04:05 MST 2006"

// loggedArgs is how many arguments OSSEC's scripts log: $1 to $5.
const loggedArgs = 5

// maxLoggedArg is how much of one argument is logged, in bytes: a line stays
// below what OSSEC's log reader takes.
const maxLoggedArg = 1024

// responseLog is active-responses.log.
type responseLog struct{ file logging.File }

func openLog(layout paths.Layout) responseLog {
	return responseLog{logging.File{Path: layout.ResponseLog()}}
}

// called writes the line by which the manager knows that a response was called.
func (l responseLog) called(r Request) error {
	return l.write(time.Now(), words(r))
}

// failed writes why a response did nothing, or not all it should.
func (l responseLog) failed(r Request, err error) error {
	if ip, ok := errors.AsType[invalidIP](err); ok {
		return l.write(time.Now(), "Unable to run active response ("+ip.Error()+").")
	}
	return l.write(time.Now(), "Unable to run active response ("+event.SafeText(err.Error())+"): "+words(r))
}

func (l responseLog) write(now time.Time, text string) error {
	if _, err := l.file.Write([]byte(now.Format(dateLayout) + " " + text + "\n")); err != nil {
		return fmt.Errorf("write the response log: %w", err)
	}
	return nil
}

// words is "$0 $1 $2 $3 $4 $5": a missing argument leaves its blank. What could
// end the line or look like another one is escaped.
func words(r Request) string {
	var b strings.Builder
	b.WriteString(event.SafeText(r.Script))
	for i := range loggedArgs {
		arg := r.arg(i)
		b.WriteString(" " + event.SafeText(arg[:min(len(arg), maxLoggedArg)]))
	}
	return b.String()
}
