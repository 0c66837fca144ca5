// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
)

// ErrNotRunning means that nobody listens on the socket.
var ErrNotRunning = errors.New("the daemon is not running")

// StatusError is a refusal by the daemon.
type StatusError struct {
	Code    int // of HTTP
	Message string
}

func (e *StatusError) Error() string { return e.Message }

// Client asks one daemon. It is safe for use by many goroutines.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client for the socket at path. It connects with the
// first request.
func NewClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableKeepAlives: true,
	}}
	return c
}

// dial connects, and makes sure that who listens is root or this user: the
// folder of the socket may belong to someone who is neither.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.path)
	if err != nil {
		return nil, dialError(err)
	}
	p, err := peerOf(conn.(*net.UnixConn))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return conn, nil
	case err != nil:
		return nil, errors.Join(err, conn.Close())
	case p.UID != 0 && p.UID != os.Geteuid():
		return nil, errors.Join(fmt.Errorf("%s is served by uid %d, which is neither root nor you", c.path, p.UID), conn.Close())
	}
	return conn, nil
}

func dialError(err error) error {
	switch {
	case absent(err):
		return fmt.Errorf("%w (%w)", ErrNotRunning, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run this as root", err)
	}
	return err
}

// Get asks for target ("/status") and decodes the JSON answer into out.
func (c *Client) Get(ctx context.Context, target string, out any) error {
	return c.Do(ctx, http.MethodGet, target, nil, out)
}

// Post sends in as JSON and decodes the answer into out. Both may be nil.
func (c *Client) Post(ctx context.Context, target string, in, out any) error {
	return c.Do(ctx, http.MethodPost, target, in, out)
}

// Do sends one request. The error is ErrNotRunning when nobody listens and a
// *StatusError when the daemon refused.
func (c *Client) Do(ctx context.Context, method, target string, in, out any) error {
	body, err := c.Stream(ctx, method, target, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(body, MaxBody)).Decode(out); err != nil {
		return fmt.Errorf("read the daemon's answer to %s: %w", target, err)
	}
	return nil
}

// Stream sends one request and returns the body of the answer as it comes. The
// caller closes it.
func (c *Client) Stream(ctx context.Context, method, target string, in any) (io.ReadCloser, error) {
	req, err := newRequest(ctx, method, target, in)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp.Body, nil
}

func newRequest(ctx context.Context, method, target string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://hids"+target, body)
	if err == nil && in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func refusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var e errorBody
	if json.Unmarshal(b, &e) != nil || e.Error == "" {
		e.Error = strings.TrimSpace(resp.Status + " " + string(b))
	}
	return &StatusError{Code: resp.StatusCode, Message: e.Error}
}
