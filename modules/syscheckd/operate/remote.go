// SPDX-License-Identifier: Apache-2.0

package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"

	"hids/modules/syscheckd/report"
	"hids/platform/control"
)

// Handler answers requests over a control socket: POST /scan and /accept, GET
// /list, /show and /export. The request is in the query (path, format, colour),
// where a name of any bytes has its place; the answer is one Frame in JSON a
// line. target returns who answers a request, whose context is ctx.
func Handler(target func(ctx context.Context) Target) http.Handler {
	mux := http.NewServeMux()
	for _, verb := range []string{Scan, Accept, List, Show, Export} {
		mux.HandleFunc(method(verb)+" /"+verb, func(w http.ResponseWriter, r *http.Request) {
			req, err := parse(verb, r.URL.Query())
			if err != nil {
				control.WriteError(w, http.StatusBadRequest, err)
				return
			}
			answer(r.Context(), target(r.Context()), req, w)
		})
	}
	return mux
}

func method(verb string) string {
	if (&Request{Verb: verb}).Changes() {
		return http.MethodPost
	}
	return http.MethodGet
}

// answer sends frames as they come. Nobody is left to be told of an error of
// the connection.
func answer(ctx context.Context, t Target, r Request, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	_ = Do(ctx, t, r, nil, func(f Frame) error {
		return errors.Join(enc.Encode(f), flush.Flush())
	})
}

func parse(verb string, q url.Values) (Request, error) {
	r := Request{Verb: verb, Paths: q["path"], Format: q.Get("format")}
	for _, p := range r.Paths {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p {
			return r, fmt.Errorf("path %q is not absolute and clean", p)
		}
	}
	if c := q.Get("colour"); c != "" {
		if err := json.Unmarshal([]byte(c), &r.Colours); err != nil {
			return r, fmt.Errorf("colour: %w", err)
		}
	}
	return r, nil
}

func (r *Request) target() (string, error) {
	q := url.Values{"path": r.Paths, "format": {r.Format}}
	if r.Colours != (report.Colours{}) {
		c, err := json.Marshal(r.Colours)
		if err != nil {
			return "", err
		}
		q.Set("colour", string(c))
	}
	return "/" + r.Verb + "?" + q.Encode(), nil
}

// Ask has the daemon behind c answer a request. The error is
// control.ErrNotRunning where there is none.
func Ask(ctx context.Context, c *control.Client, r Request, receive func(Frame) error) error {
	target, err := r.target()
	if err != nil {
		return err
	}
	body, err := c.Stream(ctx, method(r.Verb), target, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	dec := json.NewDecoder(body)
	for {
		var f Frame
		if err := dec.Decode(&f); err != nil {
			return brokenOff(ctx, err)
		}
		if err := receive(f); err != nil {
			return err
		}
		if f.End == nil {
			continue
		}
		if f.End.Error != nil {
			return f.End.Error
		}
		return nil
	}
}

func brokenOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read the daemon's answer: %w", err)
}
