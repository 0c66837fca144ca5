// SPDX-License-Identifier: Apache-2.0

package commands

// The rules of the terminal:
//
//   - stdout is for the answer, stderr for progress, faults and hints, so that
//     an answer can be piped.
//   - A progress bar is drawn only on a terminal and leaves nothing behind.
//     Without one nothing is drawn: no plain lines that count up in a log.
//   - Colours only on a terminal, never with NO_COLOR (no-color.org) or
//     TERM=dumb; they repeat what a sign says already.
//   - Whatever comes from outside (file names, contents, users) goes through
//     event.SafeText before it is printed.
//   - A fault is one line, lower case, and says what could not be done; a hint
//     says what to type. Nothing asks a question: a command runs in cron as it
//     runs by hand.

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"hids/modules/event"
	"hids/modules/syscheckd/report"
)

// isTerminal reports whether a stream is a terminal that can move its cursor.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// palette holds escape sequences; the zero value is none.
type palette struct {
	bold, red, green, yellow, cyan, reset string
}

// palette returns the colours for stdout.
func (p *program) palette() palette {
	if os.Getenv("NO_COLOR") != "" || !isTerminal(p.stdout) {
		return palette{}
	}
	return palette{
		bold: "\x1b[1m", red: "\x1b[31m", green: "\x1b[32m", yellow: "\x1b[33m", cyan: "\x1b[36m", reset: "\x1b[0m",
	}
}

// warn prints one line about something that went wrong and does not end the
// command.
func (p *program) warn(format string, args ...any) {
	fmt.Fprintf(p.stderr, "hids: "+format+"\n", args...)
}

// hint prints one line that says what to type.
func (p *program) hint(text string) { fmt.Fprintln(p.stderr, "hint: "+text) }

// counter is what a progress bar shows. Path is raw.
type counter struct {
	Files, Bytes int64
	Path         string
}

// drawEvery is how often a progress bar is drawn.
const drawEvery = 150 * time.Millisecond

// progress draws a bar on stderr, if that is a terminal, until stop is called;
// stop removes it. total is the expected number of files, 0 if nobody knows.
func (p *program) progress(total int64, read func() counter) (stop func()) {
	if !isTerminal(p.stderr) {
		return func() {}
	}
	return drawBar(p.stderr, total, read)
}

func drawBar(w io.Writer, total int64, read func() counter) (stop func()) {
	bars := mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(drawEvery), mpb.WithAutoRefresh())
	style := mpb.BarStyle().Build()
	if total <= 0 {
		style = mpb.SpinnerStyle().Build()
	}
	start := time.Now()
	bar := bars.MustAdd(total, style, mpb.BarWidth(20), mpb.BarFillerTrim(),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return barText(read(), time.Since(start), s.AvailableWidth)
		})))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { follow(bar, total, read, done) })
	return func() {
		close(done)
		wg.Wait()
		bar.Abort(true)
		bars.Wait()
	}
}

// follow moves the bar. It never reaches its end by itself: files may have been
// added since they were counted.
func follow(bar *mpb.Bar, total int64, read func() counter, done <-chan struct{}) {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			if total > 0 {
				bar.SetCurrent(min(read().Files, total-1))
			}
		}
	}
}

// barText is what stands beside the bar: counts, rate and, in what is left of
// the line, the file that is being read.
func barText(c counter, elapsed time.Duration, width int) string {
	text := fmt.Sprintf(" %s  %s  %s  ", report.Files(c.Files), report.Size(c.Bytes), report.Rate(c.Bytes, elapsed))
	return text + shorten(event.SafeText(c.Path), width-utf8.RuneCountInString(text)-1)
}

// shorten keeps the end of a path within width columns: the name says more than
// the folders above it.
func shorten(path string, width int) string {
	n := utf8.RuneCountInString(path)
	if n <= width {
		return path
	}
	if width < 2 {
		return ""
	}
	runes := []rune(path)
	return "…" + string(runes[n-width+1:])
}
