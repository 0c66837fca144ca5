// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"hids/platform/fswatch"
)

// watchRequests calls ask whenever agentd asks for a scan, until ctx ends. It
// asks syscheckd and rootcheck alike, by making one file that syscheckd takes
// away; here its coming is enough. Without syscheckd (take) it is taken here.
func watchRequests(ctx context.Context, w fswatch.Watcher, file string, take func() bool, ask func()) {
	defer w.Close()
	file = filepath.ToSlash(file) // as events have it
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events():
			if !ok {
				return
			}
			if e.Path != file || e.Op&fswatch.Create == 0 {
				continue
			}
			if take() {
				_ = os.Remove(file) // if it is gone already, all the better
			}
			ask()
		}
	}
}

// newRequestWatcher watches the folder of the file; nil if that is not
// possible, and then only the clock and operators ask.
func newRequestWatcher(dir string, log *slog.Logger) fswatch.Watcher {
	w, err := fswatch.New(log)
	if err != nil {
		log.Warn("requests for a scan can't be seen", "err", err)
		return nil
	}
	if err := w.Add(dir); err != nil {
		log.Info("requests for a scan can't be seen", "err", err)
		w.Close()
		return nil
	}
	return w
}
