// SPDX-License-Identifier: Apache-2.0

// Package pidfile writes pid files where and how OSSEC's control script looks
// for them. They lock nothing; that is package lockfile.
package pidfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Path is where the pid file of a process is.
func Path(dir, name string, pid int) string {
	return filepath.Join(dir, name+"-"+strconv.Itoa(pid)+".pid")
}

// Write makes DIR/NAME-PID.pid with mode 0640 and the text "PID\n". A gid of -1
// keeps the caller's group. What has that name already is removed first, never
// written through: others than root may write in dir.
func Write(dir, name string, pid, gid int) (string, error) {
	path := Path(dir, name, pid)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("write pid file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return "", fmt.Errorf("write pid file: %w", err)
	}
	_, err = fmt.Fprintf(f, "%d\n", pid)
	if gid >= 0 {
		err = errors.Join(err, f.Chown(-1, gid))
	}
	if err = errors.Join(err, f.Chmod(0o640), f.Close()); err != nil {
		return "", fmt.Errorf("write pid file: %w", err)
	}
	return path, nil
}
