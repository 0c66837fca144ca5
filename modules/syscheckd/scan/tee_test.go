// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"os"
	"strings"
	"sync"
	"testing"

	"hids/config"
	"hids/config/rules"
)

// sink is a Content that keeps what it gets under the path when it is done.
type sink struct {
	mu   *sync.Mutex
	into map[string]string
	path string
	text strings.Builder
}

func (s *sink) Write(p []byte) (int, error) { return s.text.Write(p) }

func (s *sink) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.into[s.path] = s.text.String()
}

func (s *sink) Abandon() { s.text.Reset() }

// TestContent checks that report_changes gets each file whole, whatever its
// size, and only files: no link's target, nothing of other entries.
func TestContent(t *testing.T) {
	f := newFixture(t)
	want := map[string]string{
		"small": "small", "empty": "",
		"buffer": strings.Repeat("x", bufferSize), "large": strings.Repeat("abcde", bufferSize/2),
	}
	for name, content := range want {
		f.write("in/"+name, content)
	}
	f.write("out/other", "other")
	f.must(os.Symlink(f.path("out/other"), f.path("in/link")))
	f.watch("in", "out")
	f.conf.Directories[0].ReportChanges = true
	f.o.Rules = rules.New(&f.conf)
	f.o.HashLinkTarget = true
	var mu sync.Mutex
	got := map[string]string{}
	f.o.Content = func(path string, entry *config.Directory) Content {
		if entry.Path != f.path("in") {
			t.Errorf("%s is asked for by %s", path, entry.Path)
		}
		return &sink{mu: &mu, into: got, path: strings.TrimPrefix(path, f.path("in")+"/")}
	}
	f.run()
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: %d bytes, want %d", name, len(got[name]), len(content))
		}
		delete(got, name)
	}
	if len(got) != 0 {
		t.Errorf("content of %v was taken too", got)
	}
}
