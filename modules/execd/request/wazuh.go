// SPDX-License-Identifier: Apache-2.0

package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Wazuh is what a program under Wazuh 4's protocol reads on its standard
// input. Extra and Alert are the sender's JSON, compacted to one line.
type Wazuh struct {
	Extra json.RawMessage
	Alert json.RawMessage
}

// The three words execd and a program say to each other (Wazuh 4.2 and later).
const (
	CheckKeys = "check_keys"
	Continue  = "continue"
	Abort     = "abort"
)

type envelope struct {
	Version    int    `json:"version"`
	Origin     origin `json:"origin"`
	Command    string `json:"command"`
	Parameters any    `json:"parameters"`
}

type origin struct {
	Name   string `json:"name"`
	Module string `json:"module"`
}

type programInput struct {
	Extra   json.RawMessage `json:"extra_args"`
	Alert   json.RawMessage `json:"alert"`
	Program string          `json:"program"`
}

// text takes a JSON string or number; any other value is as if it were not
// there, so that one odd field of an alert does not stop a response.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		var n json.Number
		if json.Unmarshal(b, &n) != nil {
			return nil
		}
		s = n.String()
	}
	// An argument of a program ends at a NUL.
	s, _, _ = strings.Cut(s, "\x00")
	*t = text(s)
	return nil
}

func (t text) orDash() string {
	if t == "" {
		return "-"
	}
	return string(t)
}

func parseJSON(msg []byte) (Request, error) {
	var in struct {
		Command    string `json:"command"`
		Parameters struct {
			Extra json.RawMessage `json:"extra_args"`
			Alert json.RawMessage `json:"alert"`
		} `json:"parameters"`
	}
	if err := json.Unmarshal(msg, &in); err != nil || in.Command == "" || strings.Contains(in.Command, "\x00") {
		return Request{}, ErrInvalid
	}
	w := &Wazuh{Extra: oneLine(in.Parameters.Extra, "[]"), Alert: oneLine(in.Parameters.Alert, "{}")}
	args, err := alertArgs(w.Alert)
	if err != nil {
		return Request{}, err
	}
	name, direct := strings.CutPrefix(in.Command, "!")
	return Request{Name: name, Direct: direct, Args: args, Wazuh: w}, nil
}

func oneLine(raw json.RawMessage, missing string) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage(missing)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return json.RawMessage(missing)
	}
	return b.Bytes()
}

// alertArgs makes the words that OSSEC's text message would have had, so that
// a program of OSSEC's kind works behind a manager that speaks JSON.
func alertArgs(alert json.RawMessage) ([]string, error) {
	if len(alert) == 0 || alert[0] != '{' {
		return nil, ErrInvalid
	}
	data, rule, syscheck := field(alert, "data"), field(alert, "rule"), field(alert, "syscheck")
	var args []string
	for _, raw := range []json.RawMessage{
		field(data, "dstuser"), field(data, "srcip"), field(alert, "id"),
		field(rule, "id"), field(alert, "location"), field(syscheck, "path"),
	} {
		var t text
		_ = json.Unmarshal(raw, &t) // what is not there, or odd, is left out
		args = append(args, t.orDash())
	}
	return args, nil
}

// field returns the value of an object's first member of exactly this name, or nil.
// An alert has names that whoever wrote the log line has chosen: SRCIP, or a second
// srcip, must not speak for the one that the manager has decoded. encoding/json
// would take the last, in any case.
func field(object json.RawMessage, name string) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(object))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil
		}
		if key == name {
			return value
		}
	}
	return nil
}

// Input is the line for a program's standard input. action is "add" or
// "delete", program its path.
func (w *Wazuh) Input(action, program, host string) []byte {
	return message(host, action, programInput{Extra: w.Extra, Alert: w.Alert, Program: program})
}

// Answer is the line that answers a program's keys: Continue or Abort.
func Answer(word, host string) []byte {
	return message(host, word, struct{}{})
}

func message(host, command string, parameters any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	e := envelope{Version: 1, Origin: origin{Name: host, Module: "wazuh-execd"}, Command: command, Parameters: parameters}
	if err := enc.Encode(e); err != nil {
		return []byte("{}\n") // only an invalid RawMessage could do this, and oneLine let none through
	}
	return b.Bytes()
}

// ErrNoKeys says that a program wrote something else than its keys.
var ErrNoKeys = errors.New("not a check_keys message")

// Keys reads a program's check_keys line.
func Keys(line []byte) ([]string, error) {
	var in struct {
		Command    string `json:"command"`
		Parameters struct {
			Keys []string `json:"keys"`
		} `json:"parameters"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	if in.Command != CheckKeys || len(in.Parameters.Keys) == 0 {
		return nil, ErrNoKeys
	}
	return in.Parameters.Keys, nil
}
