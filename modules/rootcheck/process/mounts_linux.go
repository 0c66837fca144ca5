// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"hids/modules/event"
	"hids/modules/rootcheck/check"
	"hids/platform/proc"
)

// coveredProcesses reads the mounts of every mount namespace: a bind mount
// over /proc/PID hides a process from ps without any rootkit.
func coveredProcesses(ctx context.Context, s *check.Scan) error {
	pids, err := proc.Pids(s.Host)
	if err != nil {
		return err
	}
	seen := make(map[string]bool)     // namespaces
	reported := make(map[string]bool) // mount points
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return err
		}
		ns, err := proc.Namespace(s.Host, pid, "mnt")
		if err == nil && seen[ns] || proc.Gone(err) {
			continue // of a process that has ended, mountinfo is an invalid argument
		}
		mounts, err := proc.Mounts(s.Host, strconv.Itoa(pid))
		if err != nil {
			if !proc.Gone(err) {
				s.Fault("read mounts", err)
			}
			continue
		}
		seen[ns] = ns != ""
		for _, m := range covering(mounts) {
			if !reported[m.Point] {
				reported[m.Point] = true
				reportCover(s, pid, m)
			}
		}
	}
	return nil
}

// covering returns the mounts that lie on a process's folder of a procfs.
func covering(mounts []proc.Mount) []proc.Mount {
	procfs := make(map[int]string) // mount id of a procfs to its mount point
	for _, m := range mounts {
		if m.FSType == "proc" && m.Root == "/" {
			procfs[m.ID] = m.Point
		}
	}
	var list []proc.Mount
	for _, m := range mounts {
		at, ok := procfs[m.Parent]
		if !ok {
			at = "/proc" // stacked mounts have each other as parents
		}
		rest, ok := strings.CutPrefix(path.Clean(m.Point), path.Clean(at)+"/")
		id, _, _ := strings.Cut(rest, "/")
		if _, err := strconv.Atoi(id); ok && err == nil {
			list = append(list, m)
		}
	}
	return list
}

func reportCover(s *check.Scan, pid int, m proc.Mount) {
	point := event.SafeText(m.Point)
	s.Report(check.Finding{
		Kind: check.Rootkit, Rule: "covered", Thing: m.Point, State: m.FSType + " " + m.Root, Path: m.Point,
		Title:  fmt.Sprintf("A mount at %s covers a process's folder in /proc.", point),
		Why:    "What lies under the mount is invisible to ps and every other tool that reads /proc. There is no use for it but hiding a process.",
		Advice: fmt.Sprintf("nsenter -t %d -m umount '%s'; then look at the process", pid, point),
		Evidence: map[string]string{
			"mounted": m.Source + m.Root, "file_system": m.FSType, "namespace_of_pid": strconv.Itoa(pid),
		},
		Wire: fmt.Sprintf("Mount '%s' covers a process directory in /proc. Possible hidden process.", point),
	})
}
