// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"hids/config"
	"hids/modules"
	"hids/modules/event/eventlog"
	"hids/platform/control"
	"hids/platform/execq"
	"hids/platform/lockfile"
	"hids/platform/logging"
	"hids/platform/pidfile"
	"hids/platform/service"
)

// keep is what the supervisor holds open for its modules.
type keep struct {
	log     *eventlog.Writer
	control net.Listener
	files   map[string]map[string]*os.File // module → name → descriptor handed to it
	locks   []*lockfile.Lock
	gid     int      // that everybody is in; -1: none
	names   []string // of what is removed in the end: pid file, control sockets
}

// The names of a module's files.
const (
	fileControl = "control" // the listening control socket
	fileExecq   = "execq"
)

// lock makes sure that no other supervisor runs one of the modules. OSSEC's
// control script may start a daemon while the one it stopped still ends.
func (k *keep) lock(ctx context.Context, o Options) error {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	for _, m := range o.Modules {
		l, err := lockfile.Open(o.Layout.ControlSocket(m.Name) + ".lock")
		if err != nil {
			return err
		}
		k.locks = append(k.locks, l)
		err = l.Wait(ctx)
		if errors.Is(err, lockfile.ErrLocked) {
			return fmt.Errorf("%s runs already in %s; stop it first", m.Name, o.Layout.Home)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *keep) open(o Options, cfg *config.Config, gid int) error {
	k.gid = gid
	var err error
	if k.log, err = eventlog.Open(o.Layout.EventLog(), eventOptions(cfg, gid)); err != nil {
		return err
	}
	l, err := listen(o, SocketName(o.Name), gid)
	if err != nil {
		return err
	}
	k.control = l
	stored := service.Stored()
	k.files = map[string]map[string]*os.File{}
	for _, m := range o.Modules {
		k.names = append(k.names, o.Layout.ControlSocket(m.Name))
		if k.files[m.Name], err = moduleFiles(o, m, gid, stored); err != nil {
			return err
		}
	}
	for _, f := range stored { // what nobody wanted
		_ = f.Close()
	}
	return nil
}

// moduleFiles binds what m is reached by.
func moduleFiles(o Options, m modules.Module, gid int, stored map[string]*os.File) (map[string]*os.File, error) {
	files := map[string]*os.File{}
	l, err := listen(o, m.Name, gid)
	if err != nil {
		return files, err
	}
	f, err := l.File()
	// The file is what lives on; closing the listener must leave the name.
	l.SetUnlinkOnClose(false)
	if err = errors.Join(err, l.Close()); err != nil {
		return files, err
	}
	files[fileControl] = f
	for _, name := range m.Files {
		if name != fileExecq {
			return files, fmt.Errorf("module %s asks for %q, which nobody keeps", m.Name, name)
		}
		q, err := bindExecq(o, gid, stored)
		if err != nil {
			return files, err
		}
		files[name] = q
	}
	return files, nil
}

// bindExecq takes over execq from the service manager, or binds it and leaves
// it with the service manager for the next process. Peers connect to it once
// and never again, so the socket must outlive every process that reads it.
func bindExecq(o Options, gid int, stored map[string]*os.File) (*os.File, error) {
	path := o.Layout.ExecQueue()
	if f := stored[fileExecq]; f != nil && boundTo(f, path) {
		delete(stored, fileExecq)
		o.Log.Info("socket taken over", "path", path)
		return f, nil
	}
	f, err := execq.Listen(path, gid)
	if err != nil {
		o.Log.Error(fmt.Sprintf("Queue '%s' not accessible: '%s'.", path, err), logging.ID(1210))
		return nil, err
	}
	if err := service.Store(fileExecq, f); err != nil {
		o.Log.Warn("socket is not kept across an upgrade", "path", path, "err", err)
	}
	return f, nil
}

// boundTo reports whether f is the datagram socket that is found at path.
func boundTo(f *os.File, path string) bool {
	c, err := net.FilePacketConn(f)
	if err != nil {
		return false
	}
	defer c.Close()
	a, ok := c.LocalAddr().(*net.UnixAddr)
	fi, err := os.Lstat(path)
	return ok && a.Name == path && err == nil && fi.Mode().Type() == fs.ModeSocket
}

// listen binds a control socket.
func listen(o Options, name string, gid int) (*net.UnixListener, error) {
	path := o.Layout.ControlSocket(name)
	l, err := control.Listen(path, 0o660)
	if err != nil {
		return nil, err
	}
	if gid >= 0 {
		if err := os.Chown(path, -1, gid); err != nil {
			return nil, errors.Join(fmt.Errorf("give control socket to its group: %w", err), l.Close())
		}
	}
	return l, nil
}

func (k *keep) writePid(o Options) {
	path, err := pidfile.Write(o.Layout.RunDir(), o.Name, os.Getpid(), k.gid)
	if err != nil {
		o.Log.Error("Unable to create PID file.", logging.ID(1212))
		o.Log.Debug("pid file", "err", err)
		return
	}
	k.names = append(k.names, path)
}

// close lets go of everything; the locks last.
func (k *keep) close() error {
	var errs []error
	for _, name := range k.names {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, files := range k.files {
		for _, f := range files {
			errs = append(errs, f.Close())
		}
	}
	if k.control != nil {
		if err := k.control.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if k.log != nil {
		errs = append(errs, k.log.Close())
	}
	for _, l := range k.locks {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
