// SPDX-License-Identifier: Apache-2.0

package syscheckd

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/internal/testenv"
	"hids/modules/event"
)

// script is one case of testdata/events. The language:
//
//	# comment                  what the case is about
//	tree NAME…                 files there are when the daemon starts; NAME/ is a folder
//	outside NAME…              files beside the tree, in $OUT
//	needs PROGRAM…             programs the case runs
//	no realtime                only scans
//	$ COMMAND                  run by sh in the tree, which is also $TREE
//	scan                       wait for a scan of everything
//	ACTION NAME [from NAME]    an event that must come
//	? ACTION NAME [from NAME]  an event that may come, any number of times; * in it
//	                           stands for any text
//
// Commands run in order; where events are expected between them, those must
// have come before the next command runs. A file that must be created may also
// have been renamed from one that was not there at the start. At the end a scan
// of everything must find nothing new, nothing but temporary files may have been
// told besides, and all events together must turn what was there at the start
// into what is there now.
type script struct {
	steps    []step
	tree     []string
	outside  []string
	needs    []string
	may      []string
	scanOnly bool
}

type step struct {
	command string // run it
	scan    bool   // or scan
	expect  string // or wait for it
}

func parseScript(t *testing.T, text string) script {
	t.Helper()
	var s script
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "tree":
			s.tree = append(s.tree, strings.Fields(rest)...)
		case "outside":
			s.outside = append(s.outside, strings.Fields(rest)...)
		case "needs":
			s.needs = append(s.needs, strings.Fields(rest)...)
		case "no":
			s.scanOnly = true
		case "$":
			s.steps = append(s.steps, step{command: rest})
		case "scan":
			s.steps = append(s.steps, step{scan: true})
		case "?":
			s.may = append(s.may, rest)
		case "created", "updated", "attributes_modified", "deleted", "moved":
			s.steps = append(s.steps, step{expect: line})
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return s
}

func TestEvents(t *testing.T) {
	files, err := filepath.Glob("testdata/events/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			play(t, parseScript(t, string(text)))
		})
	}
}

func play(t *testing.T, s script) {
	for _, program := range s.needs {
		if program == "root" {
			testenv.Root(t)
		} else if _, err := exec.LookPath(program); err != nil {
			testenv.Skip(t, "needs "+program)
		}
	}
	r := newRig(t)
	r.conf.Syscheck.Directories[0].Realtime = !s.scanOnly
	out := filepath.Join(r.home, "out")
	must(t, os.Mkdir(out, 0o755))
	plant(t, r.tree, s.tree)
	plant(t, out, s.outside)
	r.first, r.may = r.walk(), s.may
	r.start()
	for _, step := range s.steps {
		switch {
		case step.command != "":
			r.shell(out, step.command)
		case step.scan:
			r.scan()
		default:
			r.expect(step.expect)
		}
	}
	r.restful()
	apply(t, r, maps.Clone(r.first))
	r.forgetTemporary()
	r.quietBut(s.may...)
}

// forgetTemporary takes away what is a matter of a moment: what was told of names
// that were there neither at the start nor at the end, and that a new file,
// which was seen before it was written to its end, was updated. apply has seen to
// it that all was told of them, or nothing.
func (r *rig) forgetTemporary() {
	last := r.walk()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = slices.DeleteFunc(r.events, func(e *event.Event) bool {
		action, name, _ := strings.Cut(r.line(e), " ")
		return !strings.Contains(name, " from ") && !r.first[name] && (!last[name] || action == "updated")
	})
}

// walk returns the names in the tree.
func (r *rig) walk() map[string]bool {
	r.t.Helper()
	names := map[string]bool{}
	must(r.t, filepath.WalkDir(r.tree, func(path string, _ fs.DirEntry, err error) error {
		names[event.SafeText(strings.TrimPrefix(strings.TrimPrefix(path, r.tree), "/"))] = true
		return err
	}))
	return names
}

// apply does to the names what the events tell, in their order, and compares
// with what is there.
func apply(t *testing.T, r *rig, names map[string]bool) {
	t.Helper()
	for _, line := range r.history() {
		action, rest, _ := strings.Cut(line, " ")
		name, from, moved := strings.Cut(rest, " from ")
		switch action {
		case "created":
			if names[name] {
				t.Errorf("told %q, but it was there already", line)
			}
			names[name] = true
		case "deleted":
			if !names[name] {
				t.Errorf("told %q, but it was not there", line)
			}
			delete(names, name)
		case "moved":
			if !moved || !names[from] {
				t.Errorf("told %q, but that was not there", line)
			}
			delete(names, from)
			names[name] = true
		default:
			if !names[name] {
				t.Errorf("told %q, but it was not there", line)
			}
		}
	}
	if diff := cmp.Diff(r.walk(), names); diff != "" {
		t.Errorf("the events do not lead to what is there (-there +told):\n%s", diff)
	}
}

func plant(t *testing.T, dir string, names []string) {
	t.Helper()
	for _, n := range names {
		path := filepath.Join(dir, n)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(n, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.WriteFile(path, []byte("content of "+n+"\n"), 0o644))
	}
}

func (r *rig) shell(out, command string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", command)
	cmd.WaitDelay = time.Second
	cmd.Dir = r.tree
	cmd.Env = append(os.Environ(), "TREE="+r.tree, "OUT="+out, "HOME="+out, "LC_ALL=C", "TERM=dumb",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t")
	if text, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, text)
	}
}

// restful waits until all that the kernel has told so far has been looked at: a
// last event is sent through, and then nothing waits any more.
func (r *rig) restful() {
	r.t.Helper()
	if !r.conf.Syscheck.Directories[0].Realtime {
		return
	}
	r.write(".last", time.Now().String())
	r.expect("created .last")
	must(r.t, os.Remove(r.path(".last")))
	r.expect("deleted .last")
	for deadline := time.Now().Add(patience); ; {
		r.settled()
		r.daemon.feed.mu.Lock()
		waiting := r.daemon.feed.pending.Len()
		r.daemon.feed.mu.Unlock()
		if waiting == 0 {
			r.settled()
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d looks still wait", waiting)
		}
	}
}
