// SPDX-License-Identifier: Apache-2.0

// Package service speaks with the service manager: sd_notify(3), the watchdog,
// and the store that keeps descriptors open while a service restarts. Without
// a service manager every call does nothing.
package service

import (
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Notify sends one state: "READY=1", "STATUS=…" or several lines. An error
// means that there is a service manager which could not be told.
func Notify(state ...string) error {
	_, err := daemon.SdNotify(false, strings.Join(state, "\n"))
	return err
}

// The states of a service's life. Reloading must be followed by Ready.
func Ready(status string) error { return Notify(daemon.SdNotifyReady, "STATUS="+status) }

// Reloading says that the configuration is being read again.
func Reloading() error {
	return Notify(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(monotonicMicros(), 10))
}

// Stopping says that the service ends because it was told to.
func Stopping() error { return Notify(daemon.SdNotifyStopping) }

// Alive feeds the watchdog.
func Alive() error { return Notify(daemon.SdNotifyWatchdog) }

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
