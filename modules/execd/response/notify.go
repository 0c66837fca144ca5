// SPDX-License-Identifier: Apache-2.0

package response

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"hids/modules/event"
	"hids/platform/command"
)

// notifyTimeout is how long a webhook may take.
const notifyTimeout = 10 * time.Second

// notice is the JSON that notify sends. Text is one sentence, under the name by
// which chat services take a message.
type notice struct {
	Text   string    `json:"text"`
	Time   time.Time `json:"@timestamp"`
	Host   string    `json:"host"`
	Action string    `json:"action"`
	User   string    `json:"user,omitempty"`
	IP     string    `json:"ip,omitempty"`
	Alert  string    `json:"alert_id,omitempty"`
	Rule   string    `json:"rule_id,omitempty"`
	Args   []string  `json:"args,omitempty"` // location and file, as the manager sent them
}

// notify tells a webhook or a program of the alert. A delete does nothing, as in
// OSSEC's ossec-tweeter.sh.
func notify(ctx context.Context, c call) error {
	if c.deletes() {
		return nil
	}
	target := c.Config.Notify
	if target.URL == "" && len(target.Command) == 0 {
		return errors.New("nobody to tell; write a url or a command into <notify> in etc/hids.conf")
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	body, err := json.Marshal(newNotice(c.Request, host, time.Now()))
	if err != nil {
		return fmt.Errorf("tell the notice: %w", err)
	}
	if target.URL != "" {
		err = post(ctx, target.URL, body)
	}
	if len(target.Command) > 0 {
		err = errors.Join(err, tell(ctx, target.Command, body))
	}
	return err
}

func newNotice(r Request, host string, now time.Time) notice {
	n := notice{Time: now.UTC(), Host: host, Action: r.arg(0), User: field(r.arg(1)), IP: field(r.arg(2)),
		Alert: field(r.arg(3)), Rule: field(r.arg(4))}
	for i := loggedArgs; i < len(r.Args); i++ {
		n.Args = append(n.Args, event.SafeText(r.Args[i]))
	}
	about := make([]string, 0, 4)
	for _, part := range [][2]string{{"rule", n.Rule}, {"address", n.IP}, {"user", n.User},
		{"at", strings.Join(n.Args, " ")}} {
		if part[1] != "" {
			about = append(about, part[0]+" "+part[1])
		}
	}
	n.Text = "Active response on " + host + ": " + strings.Join(about, ", ")
	return n
}

// field drops OSSEC's "-" for nothing.
func field(s string) string {
	if s == "-" {
		return ""
	}
	return event.SafeText(s)
}

// post sends to a webhook. It follows no redirection: the body goes where the
// admin wrote, or nowhere. The URL can hold a secret, so errors leave it out.
func post(ctx context.Context, target string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("the url in etc/hids.conf is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("tell %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("tell %s: it answered %s", req.URL.Host, resp.Status)
	}
	return nil
}

// tell gives the notice to the admin's program on its standard input.
func tell(ctx context.Context, argv []string, body []byte) error {
	result, err := command.RunPath(ctx, argv, append(body, '\n'))
	if err == nil {
		err = result.Err(argv[:1])
	}
	if err != nil {
		return fmt.Errorf("tell the notice: %w", err)
	}
	return nil
}
