// SPDX-License-Identifier: Apache-2.0

// Package service speaks with the service manager: sd_notify(3), the watchdog,
// and the store that keeps descriptors open while a service restarts. Without
// a service manager every call does nothing.
package service

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// patience is how long a service manager may take to read what it is told.
const patience = 5 * time.Second

// ErrDeaf means that the service manager does not read what it is told.
var ErrDeaf = errors.New("the service manager does not listen")

// Manager is the service manager, as this process sees it. It is safe for use
// by many goroutines.
type Manager struct {
	turn chan struct{} // has a value while somebody speaks
}

// NewManager returns the Manager of this process.
func NewManager() *Manager { return &Manager{turn: make(chan struct{}, 1)} }

// Notify tells one state: "READY=1", "STATUS=…" or several. An error means that
// there is a service manager and it was not told. One that does not read holds
// the caller up for a few seconds only; what was begun is told once it reads.
func (m *Manager) Notify(state ...string) error {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case m.turn <- struct{}{}:
	case <-enough.C:
		return ErrDeaf
	}
	told := make(chan error, 1)
	go func() {
		_, err := daemon.SdNotify(false, strings.Join(state, "\n"))
		<-m.turn
		told <- err
	}()
	select {
	case err := <-told:
		return err
	case <-enough.C:
		return ErrDeaf
	}
}

// Ready says that the service works, after a start or a reload.
func (m *Manager) Ready(status string) error {
	return m.Notify(daemon.SdNotifyReady, "STATUS="+status)
}

// Reloading says that the configuration is being read again. Ready must follow.
func (m *Manager) Reloading() error {
	return m.Notify(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(monotonicMicros(), 10))
}

// Stopping says that the service ends because it was told to.
func (m *Manager) Stopping() error { return m.Notify(daemon.SdNotifyStopping) }

// Alive feeds the watchdog.
func (m *Manager) Alive(status string) error {
	return m.Notify(daemon.SdNotifyWatchdog, "STATUS="+status)
}

// Watchdog returns how often Alive must be called; 0: nobody waits for it.
func Watchdog() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 2 // sd_watchdog_enabled(3) recommends half
}

// Stored returns the descriptors that the service manager kept or opened for
// this process, by name. A second call returns nothing. The caller closes them.
func Stored() map[string]*os.File {
	files := map[string]*os.File{}
	for _, f := range activation.Files(true) {
		if old := files[f.Name()]; old != nil {
			_ = old.Close()
		}
		files[f.Name()] = f
	}
	return files
}

// Environ is the environment without what the service manager put there for
// this process alone.
func Environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID":
		default:
			env = append(env, kv)
		}
	}
	return env
}
