// SPDX-License-Identifier: Apache-2.0

package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/hostfile"
)

const (
	preloadFile = "/etc/ld.so.preload"
	loaderConf  = "/etc/ld.so.conf"
	loaderConfD = "/etc/ld.so.conf.d"
	maxConf     = 1 << 20
	maxLoader   = 8 << 20
)

// loader looks at what the dynamic loader puts into every program, ld.so(8).
func loader(ctx context.Context, s *check.Scan) error {
	text, err := readPreload(s)
	if err != nil && !hostfile.Gone(err) {
		s.Fault("read preload file", err)
	}
	if err := reportPreload(ctx, s, preloadList(text)); err != nil {
		s.Fault("ask which package owns a library", err)
	}
	for _, p := range loaders(s.FS) {
		inspectLoader(s, p)
	}
	for _, dir := range libraryFolders(s) {
		inspectLibraryFolder(s, dir)
	}
	return ctx.Err()
}

// readPreload reads the beginning of the file, which the loader reads to its end:
// one that is long is meant to be looked at no further.
func readPreload(s *check.Scan) ([]byte, error) {
	text, info, err := readHead(s.FS, preloadFile, maxConf)
	if info.Size > maxConf {
		s.Report(check.Finding{
			Kind: check.Suspicious, Rule: "long-preload", Thing: preloadFile, State: state(info, nil), Path: preloadFile, Severity: 10,
			Title:    fmt.Sprintf("%s is longer than 1 MiB.", preloadFile),
			Why:      "It names libraries that are loaded into every program, and has a line or none. Blanks or comments without end hide what comes behind them.",
			Advice:   fmt.Sprintf("tr -s ' \\n' < %s | grep -v '^#' | head", preloadFile),
			Evidence: map[string]string{"size": fmt.Sprint(info.Size)},
			Wire:     fmt.Sprintf("File '%s' is too long. Possible user level rootkit (hidden preload library).", preloadFile),
		})
	}
	return text, err
}

// readHead reads a regular file up to a limit: whoever pads one must not keep us
// from what it begins with.
func readHead(files *hostfile.FS, p string, limit int64) ([]byte, hostfile.Info, error) {
	f, info, err := files.Open(p)
	if err != nil {
		return nil, info, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	return text, info, err
}

// padded is the fault of a file of which only the beginning was read.
func padded(p string, limit int64) error {
	return fmt.Errorf("%s: %w (%d bytes)", p, hostfile.ErrTooLarge, limit)
}

// preloadList splits the file as the loader does: at blanks and colons, without
// comments.
func preloadList(text []byte) []string {
	var libs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		libs = append(libs, strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n:", r) })...)
	}
	return libs
}

func reportPreload(ctx context.Context, s *check.Scan, libs []string) error {
	if len(libs) == 0 {
		return nil
	}
	owned := map[string]string{}
	var err error
	if s.Packages != nil {
		owned, err = s.Packages.Owners(ctx, libs)
	}
	for _, lib := range libs {
		text := event.SafeText(lib)
		f := check.Finding{
			Kind: check.Suspicious, Rule: "preload", Thing: lib, Path: lib, Severity: 10,
			Title:  fmt.Sprintf("The library '%s' is loaded into every program, by %s.", text, preloadFile),
			Why:    "A preloaded library can replace any function of any program: rootkits without a kernel part hide files and record passwords that way.",
			Advice: fmt.Sprintf("file '%s'; strings '%s' | grep -i pass; remove the line only from a rescue system or with a static tool", text, text),
			Wire:   fmt.Sprintf("Preload library '%s' configured in /etc/ld.so.preload.", text),
		}
		if info, err := s.FS.Stat(lib); err == nil {
			f.State = state(info, nil)
		}
		if owned[lib] != "" {
			f.Kind, f.Severity, f.Wire = check.Info, 0, ""
			f.Why = "It belongs to the package " + event.SafeText(owned[lib]) + "."
		}
		s.Report(f)
	}
	return err
}

// loaders finds glibc's dynamic loaders; musl's knows no preload file.
func loaders(files *hostfile.FS) []string {
	var found []string
	for _, dir := range []string{"/lib", "/lib64", "/lib32", "/libx32", "/usr/lib", "/usr/lib64"} {
		d, err := files.OpenDir(dir, true)
		if err != nil {
			continue
		}
		names, _ := d.Names(-1)
		d.Close()
		for _, name := range names {
			if strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld64.so") || name == "ld.so.1" {
				found = append(found, path.Join(dir, name))
			}
		}
	}
	slices.Sort(found)
	return found
}

// inspectLoader: rootkits that do not want to be found in ld.so.preload write
// another file's name over this one in the loader.
func inspectLoader(s *check.Scan, p string) {
	text, info, err := readHead(s.FS, p, maxLoader)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, hostfile.ErrNotRegular) {
			s.Fault("read loader", err)
		}
		return
	}
	if info.Size > maxLoader {
		s.Fault("read loader", padded(p, maxLoader))
	}
	if !bytes.HasPrefix(text, []byte("\x7fELF")) || bytes.Contains(text, []byte(preloadFile+"\x00")) || bytes.Contains(text, []byte("/etc/ld-nix.so.preload\x00")) {
		return
	}
	name := event.SafeText(p)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "patched-loader", Thing: p, Path: p, Severity: 11,
		Title:  fmt.Sprintf("The dynamic loader '%s' does not know %s.", name, preloadFile),
		Why:    "The name is in every loader of glibc. Rootkits replace it with another one, so that their library is loaded and the file that everybody looks at stays empty.",
		Advice: fmt.Sprintf("strings '%s' | grep preload; verify its package (dpkg -V libc6, rpm -V glibc)", name),
		Wire:   fmt.Sprintf("Dynamic loader '%s' does not use /etc/ld.so.preload. Possible user level rootkit (patched loader).", name),
	})
}

// libraryFolders lists the folders of ld.so.conf and its parts.
func libraryFolders(s *check.Scan) []string {
	confs := []string{loaderConf}
	if d, err := s.FS.OpenDir(loaderConfD, true); err == nil {
		names, _ := d.Names(-1)
		d.Close()
		for _, name := range names {
			if strings.HasSuffix(name, ".conf") {
				confs = append(confs, path.Join(loaderConfD, name))
			}
		}
	}
	var dirs []string
	for _, conf := range confs {
		text, info, err := readHead(s.FS, conf, maxConf)
		if err == nil && info.Size > maxConf {
			err = padded(conf, maxConf)
		}
		if err != nil && !hostfile.Gone(err) && !errors.Is(err, hostfile.ErrNotRegular) {
			s.Fault("read loader configuration", err)
		}
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			if dir := strings.TrimSpace(line); path.IsAbs(dir) && !slices.Contains(dirs, path.Clean(dir)) {
				dirs = append(dirs, path.Clean(dir))
			}
		}
	}
	return dirs
}

// inspectLibraryFolder: whoever can write there can put code into programs of
// root.
func inspectLibraryFolder(s *check.Scan, dir string) {
	info, err := s.FS.Stat(dir)
	if err != nil || !info.IsDir() || info.UID == 0 && info.Mode&0o002 == 0 {
		return
	}
	text := event.SafeText(dir)
	s.Report(check.Finding{
		Kind: check.Suspicious, Rule: "library-folder", Thing: dir, Path: dir, State: fmt.Sprintf("%v %d", info.Mode, info.UID),
		Title:    fmt.Sprintf("Programs load libraries from '%s', where others than root can write.", text),
		Why:      "A library with a known name in such a folder runs in every program that uses it.",
		Advice:   fmt.Sprintf("ls -ld '%s'; grep -r '%s' %s %s", text, text, loaderConf, loaderConfD),
		Evidence: map[string]string{"mode": info.Mode.String(), "uid": fmt.Sprint(info.UID)},
		Wire:     fmt.Sprintf("System Audit: Library folder '%s' can be written by others than root.", text),
	})
}
