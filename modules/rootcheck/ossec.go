// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"hids/modules/rootcheck/check"
	"hids/modules/rootcheck/signature"
	"hids/platform/hostfile"
	"hids/platform/paths"
)

// ossec has the checks that OSSEC's rootcheck has, except those for processes,
// ports and interfaces.
type ossec struct {
	layout paths.Layout // where signature files and policies are
}

// checks lists them in OSSEC's order. What comes between is not OSSEC's.
func (o *ossec) checks() []check.Check {
	return []check.Check{
		{Name: "files", Switch: "files", Group: check.Signatures, Run: o.files, Needs: readAll(),
			Title: "files that known rootkits leave behind"},
		{Name: "trojans", Switch: "trojans", Group: check.Signatures, Run: o.trojans, Needs: readAll(),
			Title: "system programs and libraries that were exchanged"},
		{Name: "policy", Switch: "unixaudit", Group: check.Policies, Run: o.policies, Needs: readAll(),
			Title: "policies of <system_audit>"},
		{Name: "dev", Switch: "dev", Group: check.Files, Run: o.dev, Needs: readAll(),
			Title: "ordinary files in /dev"},
		{Name: "sys", Switch: "sys", Group: check.Files, Walk: o.sys, Needs: readAll(),
			Title: "hidden files and folders, and files of root that anyone may write"},
	}
}

func readAll() []check.Need {
	return []check.Need{{Cap: "CAP_DAC_READ_SEARCH", Why: "look into folders and files of every user"}}
}

// Limits of what is read.
const (
	maxList   = 16 << 20 // a signature file or policy
	maxHashed = 64 << 20 // a file whose sum is part of a finding
	allHashed = 1 << 30  // all such files of a check: whoever plants many must not keep us busy for hours
)

// readOwn reads one of our own input files: a signature list or a policy.
func (o *ossec) readOwn(name string) ([]byte, error) {
	if !path.IsAbs(name) {
		name = o.layout.Join(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("read %s: larger than %d bytes", name, maxList)
	}
	return data, err
}

// under puts the configured base folder in front of a path.
func under(s *check.Scan, p string) string { return path.Join("/", s.Config.BaseDirectory, p) }

// fileSignatures returns the admin's list, if there is one, and ours; of two
// for the same path the admin's stays.
func (o *ossec) fileSignatures(s *check.Scan) []signature.File {
	var list []signature.File
	if name := s.Config.RootkitFiles; name != "" {
		data, err := o.readOwn(name)
		if err != nil {
			s.Fault("read rootkit_files", err)
		}
		var faults []signature.Fault
		list, faults = signature.ParseFiles(name, data)
		for _, f := range faults {
			s.Log.Debug("signature skipped", "err", f)
		}
	}
	type key struct {
		path     string
		anywhere bool
	}
	have := map[key]bool{}
	for _, f := range list {
		have[key{path.Join("/", f.Path), f.Anywhere}] = true
	}
	for _, f := range signature.BuiltinFiles() {
		if !have[key{path.Join("/", f.Path), f.Anywhere}] {
			list = append(list, f)
		}
	}
	return list
}

// sums are those of a regular file, "n/a" where there is none, as OSSEC 4.3
// writes them.
type sums struct{ md5, sha1, sha256 string }

func sumsOf(files *hostfile.FS, p string) sums {
	none := sums{"n/a", "n/a", "n/a"}
	f, info, err := files.Open(p)
	if err != nil {
		return none
	}
	defer f.Close()
	m, s1, s256 := md5.New(), sha1.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(m, s1, s256), io.LimitReader(f, maxHashed))
	if err != nil || n != info.Size {
		return none
	}
	sum := func(b []byte) string { return hex.EncodeToString(b) }
	return sums{sum(m.Sum(nil)), sum(s1.Sum(nil)), sum(s256.Sum(nil))}
}

// suffix is what OSSEC 4.3 appends to a text about a file.
func (s sums) suffix() string {
	return " MD5=" + s.md5 + " SHA1=" + s.sha1 + " SHA256=" + s.sha256
}

// aboutFile fills in what every finding about a file has: state and evidence.
func aboutFile(s *check.Scan, f check.Finding, p string) check.Finding {
	f, _ = describe(s, f, p)
	return f
}

// aboutHashed is aboutFile for the texts that end in sums if so configured.
func aboutHashed(s *check.Scan, f check.Finding, p string) check.Finding {
	f, sum := describe(s, f, p)
	if s.Config.HashSuffix {
		f.Wire += sum.suffix()
	}
	return f
}

func describe(s *check.Scan, f check.Finding, p string) (check.Finding, sums) {
	sum := sums{"n/a", "n/a", "n/a"}
	f.Path = p
	if f.Thing == "" {
		f.Thing = p
	}
	if f.Evidence == nil {
		f.Evidence = map[string]string{}
	}
	info, err := s.FS.Stat(p)
	if err != nil {
		return f, sum
	}
	f.Evidence["mode"] = info.Mode.String()
	f.Evidence["owner"] = strconv.FormatUint(uint64(info.UID), 10)
	f.Evidence["changed"] = info.Mtime.UTC().Format("2006-01-02T15:04:05Z")
	f.State = strings.Join([]string{info.Mode.String(), f.Evidence["owner"]}, " ")
	if info.IsRegular() && s.Hashed < allHashed {
		s.Hashed += min(info.Size, maxHashed)
		sum = sumsOf(s.FS, p)
		f.State += " " + sum.sha256
		f.Evidence["sha256"] = sum.sha256
		f.Evidence["size"] = strconv.FormatInt(info.Size, 10)
	}
	return f, sum
}

// owners asks the package database, if there is one; without an answer nothing
// is owned.
func owners(ctx context.Context, s *check.Scan, list []string) map[string]string {
	if s.Packages == nil || len(list) == 0 {
		return nil
	}
	found, err := s.Packages.Owners(ctx, list)
	if err != nil {
		s.Fault("ask the package database", err)
	}
	return found
}
