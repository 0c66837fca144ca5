// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hids/platform/paths"
	"hids/platform/privdrop"
	"hids/platform/safedir"
)

// prepare makes the folders that are missing, with the owners and modes of an
// OSSEC installation. What is there already is left as it is, except that a
// module's state is given to the module.
func prepare(l paths.Layout, ids map[string]identity) error {
	gid := groupOf(ids)
	for _, d := range []struct {
		path string
		mode fs.FileMode
	}{
		{l.Home, 0o750},
		{l.Join("etc"), 0o750},
		{filepath.Dir(l.DaemonLog()), 0o750},
		{l.Join("queue"), 0o750},
		{filepath.Dir(l.ExecQueue()), 0o770},
		{l.Join("var"), 0o750},
		{l.RunDir(), 0o770},
	} {
		if err := makeDir(d.path, d.mode, gid); err != nil {
			return fmt.Errorf("prepare the installation: %w", err)
		}
	}
	for _, dir := range []string{controlDir(l), filepath.Dir(l.EventLog()), filepath.Dir(l.State("x"))} {
		d, err := safedir.Open(dir, gid)
		if err != nil {
			return fmt.Errorf("prepare the installation: %w", err)
		}
		_ = d.Close()
	}
	for name, id := range ids {
		if err := prepareState(l.State(name), id.plan.UID, id.plan.GID); err != nil {
			return fmt.Errorf("prepare the state of %s: %w", name, err)
		}
	}
	return nil
}

func controlDir(l paths.Layout) string { return filepath.Dir(l.ControlSocket("x")) }

func makeDir(path string, mode fs.FileMode, gid int) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	if gid >= 0 {
		if err := os.Chown(path, -1, gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode) // the umask may have taken some
}

// prepareState makes a module's state folder and gives it, with all that is in
// it, to the user the module runs as now: that may have been another before an
// installation.
func prepareState(path string, uid, gid int) error {
	if err := makeDir(path, 0o750, gid); err != nil {
		return err
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	// Names are resolved below the folder and links are not followed, so what
	// the module itself has put there can't lead elsewhere.
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if fi, err := d.Info(); err != nil || hardLinked(fi) {
			return err
		}
		return root.Lchown(name, uid, gid)
	})
}

// hardLinked says that a file has a second name. No module makes one in its
// state, but its user could: where fs.protected_hardlinks is off, of a file that
// is root's, and that must not become the module's.
func hardLinked(fi fs.FileInfo) bool { return !fi.IsDir() && privdrop.Links(fi) > 1 }
