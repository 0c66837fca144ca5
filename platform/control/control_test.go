// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// start serves h on a new socket and returns a client for it. The server has
// ended when the test has.
func start(t *testing.T, h http.Handler) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return NewClient(path)
}

func echo(w http.ResponseWriter, r *http.Request) {
	p, _ := PeerFrom(r.Context())
	b, err := io.ReadAll(r.Body)
	if err != nil {
		WriteError(w, http.StatusBadRequest, err)
		return
	}
	WriteJSON(w, http.StatusOK, map[string]any{"method": r.Method, "pid": p.PID, "uid": p.UID, "body": string(b)})
}

func TestRoundTrip(t *testing.T) {
	c := start(t, http.HandlerFunc(echo))
	var got struct {
		Method, Body string
		PID, UID     int
	}
	if err := c.Post(t.Context(), "/x", map[string]int{"a": 1}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.Body != `{"a":1}` || got.UID != os.Geteuid() {
		t.Errorf("got %+v", got)
	}
	if got.PID != os.Getpid() && got.PID != 0 {
		t.Errorf("peer pid %d, want %d", got.PID, os.Getpid())
	}
}

func TestRefusal(t *testing.T) {
	c := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		WriteError(w, http.StatusConflict, errors.New("a scan is under way"))
	}))
	err := c.Get(t.Context(), "/", nil)
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Code != http.StatusConflict || e.Message != "a scan is under way" {
		t.Errorf("got %v", err)
	}
}

// Everyone may look; only root and the daemon's user may change.
func TestGuard(t *testing.T) {
	var reached bool
	h := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	stranger := &Peer{UID: os.Geteuid() + 4711, GID: 1}
	tests := []struct {
		name   string
		method string
		peer   *Peer
		want   bool
	}{
		{"stranger looks", "GET", stranger, true},
		{"stranger changes", "POST", stranger, false},
		{"root changes", "DELETE", &Peer{}, true},
		{"own user changes", "PUT", &Peer{UID: os.Geteuid()}, true},
		{"unknown looks", "GET", nil, true},
		{"unknown changes", "POST", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reached = false
			ctx := t.Context()
			if tt.peer != nil {
				ctx = context.WithValue(ctx, peerKey{}, *tt.peer)
			}
			h.ServeHTTP(discard{}, must(http.NewRequestWithContext(ctx, tt.method, "/", http.NoBody)))
			if reached != tt.want {
				t.Errorf("reached the handler: %v, want %v", reached, tt.want)
			}
		})
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func TestNotRunning(t *testing.T) {
	err := NewClient(filepath.Join(t.TempDir(), "none")).Get(t.Context(), "/status", nil)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
}

// The socket of a daemon that was killed is replaced; a file is not.
func TestListenReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := NewClient(path).Get(t.Context(), "/", nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dead socket: got %v, want ErrNotRunning", err)
	}
	l, err = Listen(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, 0o660); err == nil {
		t.Error("an ordinary file was replaced")
	}
}

// The end of Serve ends an answer that would go on for ever.
func TestStreamEndsWithServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	go func() { done <- Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	body, err := NewClient(path).Stream(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	r := bufio.NewReader(body)
	if line, err := r.ReadString('\n'); err != nil || line != "first\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	cancel()
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the stream went on")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
