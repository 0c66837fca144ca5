// SPDX-License-Identifier: Apache-2.0

package execd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unique"

	"hids/modules/execd/response"
	"hids/platform/trust"
)

// program is what a name in ar.conf stands for on this system.
type program struct {
	name    string // as in ar.conf
	path    string // argv[0]: active-response/bin/ and the name
	exec    string // the file that is executed
	builtIn bool
}

// programs finds programs below one folder.
type programs struct {
	bin  string
	self string // this binary; "" where it does not matter
}

// path is the name below the folder, as OSSEC writes it.
func (p programs) path(name string) string { return p.bin + "/" + name }

// find returns the program with a name of ar.conf. It is a regular file below
// the folder, reached by no link that leads out of it, that nobody but its
// owner can write, and its owner is root or who execd runs as: whoever can
// write what root executes is root. A built-in response needs no file, and its
// file may be a link to this binary. A program that is not there is
// fs.ErrNotExist.
func (p programs) find(name string) (program, error) {
	argv0 := shared(p.path(name))
	prog := program{name: name, path: argv0, exec: argv0}
	rel := strings.TrimLeft(path.Clean("/"+name), "/")
	if rel == "" || slices.Contains(strings.FieldsFunc(name, isSeparator), "..") {
		return prog, fmt.Errorf("%q leaves its folder", name)
	}
	root, err := os.OpenRoot(p.bin)
	if errors.Is(err, fs.ErrNotExist) {
		return p.builtIn(prog, rel, err)
	}
	if err != nil {
		return prog, err
	}
	defer root.Close()
	fi, err := root.Lstat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p.builtIn(prog, rel, err)
	case err != nil:
		return prog, err
	case fi.Mode()&fs.ModeSymlink != 0 && p.leadsToUs(prog.path):
		return p.builtIn(prog, rel, nil)
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		if fi, err = root.Stat(rel); err != nil {
			return prog, err
		}
	}
	return prog, trust.Executable(fi)
}

func isSeparator(r rune) bool { return r == '/' || r == '\\' }

// shared is s in a memory that all requests with the same text share: thousands
// may wait.
func shared(s string) string { return unique.Make(s).Value() }

// builtIn makes prog the built-in response of that name, or fails with missing.
func (p programs) builtIn(prog program, rel string, missing error) (program, error) {
	if !slices.Contains(response.Names(), rel) {
		if missing == nil {
			missing = fmt.Errorf("%s is a link to hids, which has no response of that name", prog.path)
		}
		return prog, missing
	}
	prog.exec, prog.builtIn = p.self, true
	return prog, nil
}

func (p programs) leadsToUs(link string) bool {
	self := p.self
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			return false
		}
	}
	ours, err := os.Stat(self)
	if err != nil {
		return false
	}
	target, err := os.Stat(link)
	return err == nil && os.SameFile(ours, target)
}

// argv is the argument vector of one run.
func (p program) argv(action string, words []string) []string {
	return append([]string{p.path, action}, words...)
}

// base is the name without folder and .sh.
func (p program) base() string { return strings.TrimSuffix(filepath.Base(p.name), ".sh") }

// aboutUser says that a program acts on the account, whatever address is given.
func (p program) aboutUser() bool { return p.base() == "disable-account" }

// coversNetworks says that a program blocks a whole network of IPv6, if that is
// configured.
func (p program) coversNetworks() bool { return p.builtIn && response.CoversNetworks(p.base()) }

// tellsOnly says that a program blocks nobody, so that the never-block list is
// not for it.
func (p program) tellsOnly() bool {
	return slices.Contains([]string{
		"restart-ossec", "restart-ossec.cmd", "restart-wazuh", "restart.sh", "restart",
		"notify", "ossec-tweeter", "ossec-slack", "ossec-pagerduty",
	}, p.base())
}
