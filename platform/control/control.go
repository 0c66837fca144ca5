// SPDX-License-Identifier: Apache-2.0

// Package control is how operators talk to a running daemon: HTTP with JSON
// bodies over a unix socket, so that curl --unix-socket works too. It binds the
// socket, learns who asks, lets only root and the daemon's own user change
// anything, and has the client. What can be asked is in the handlers of whoever
// serves; nothing here knows a module.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// MaxBody is the most bytes a request or an answer that is decoded may have.
const MaxBody = 16 << 20

// Peer is the process at the other end of a connection.
type Peer struct {
	UID, GID int
	PID      int // 0 where the kernel does not tell
}

type peerKey struct{}

// PeerFrom returns who sent the request with this context. It is false where
// the kernel does not tell.
func PeerFrom(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

// Listen binds the socket at path with the given mode. A socket that is there
// already is taken for a dead one and replaced, so the caller must hold the
// lock of whatever it is that listens. Anything else there is an error.
func Listen(path string, mode fs.FileMode) (*net.UnixListener, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("bind control socket: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("bind control socket: %w", err), l.Close())
	}
	return l, nil
}

func removeSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old control socket: %w", err)
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("bind control socket: %s exists and is no socket; remove it", path)
	}
	return os.Remove(path)
}

// Serve answers on l until ctx ends, then closes l and waits a few seconds for
// the requests under way; their contexts end with ctx. GET and HEAD are for
// everyone the socket's mode lets connect, every other method is for root and
// the user of this process.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           guard(h),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve control socket: %w", err)
	case <-ctx.Done():
	}
	// Requests may still finish after ctx, but not for ever.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	<-ended //nolint:errcheck // it is http.ErrServerClosed
	return nil
}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	p, err := peerOf(u)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// guard refuses what the peer may not do, and bounds what it sends.
func guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !mayChange(r.Context()) {
			WriteError(w, http.StatusForbidden, errors.New("only root may do this"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		h.ServeHTTP(w, r)
	})
}

func mayChange(ctx context.Context) bool {
	p, ok := PeerFrom(ctx)
	return ok && (p.UID == 0 || p.UID == os.Geteuid())
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the peer is gone: nobody to tell
}

// errorBody is the JSON of every refusal.
type errorBody struct {
	Error string `json:"error"`
}

// WriteError answers with an error that Client returns as a *StatusError.
func WriteError(w http.ResponseWriter, code int, err error) {
	WriteJSON(w, code, errorBody{err.Error()})
}
