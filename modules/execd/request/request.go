// SPDX-License-Identifier: Apache-2.0

// Package request is the grammar of what execd is asked: OSSEC's text messages
// and Wazuh's JSON ones, bytes in, values out. Whether a request may run, and
// what it runs, is decided elsewhere; nothing here opens or starts anything.
package request

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// Limits of a message. OSSEC 4.3 reads 6143 bytes of a datagram and passes at
// most 29 words on; what is beyond is dropped without a word.
const (
	MaxText = 6143
	MaxArgs = 29
	// MaxJSON is how much of a Wazuh message is read, Wazuh 4's own limit.
	MaxJSON = 64 << 10
)

// What can be wrong with a message.
var (
	// ErrInvalid is OSSEC's 1310: there is no name followed by a blank.
	ErrInvalid = errors.New("not an active response message")
	// ErrArguments is OSSEC's "Invalid number of arguments.": the name is
	// there, a user and an address are not. The Request holds the name.
	ErrArguments = errors.New("fewer than two arguments")
)

// Request is one message. Args are the words after the name, as the program
// gets them after "add": user, address, alert, rule, location words, file.
type Request struct {
	Name   string
	Direct bool     // Name is a program, not an entry of ar.conf (Wazuh's "!name")
	Args   []string // 2 to MaxArgs words; empty words are kept
	Wazuh  *Wazuh   // nil for a text message
}

// User is the account the request is about, "-" or empty for none.
func (r Request) User() string { return r.word(0) }

// IP is the address the request is about, "-" or empty for none. It is what
// the sender wrote; it need not be an address.
func (r Request) IP() string { return r.word(1) }

// Alert is the alert's id on the manager; agent_control puts other text there.
func (r Request) Alert() string { return r.word(2) }

// Rule is the id of the rule that asked, or other text, or "".
func (r Request) Rule() string { return r.word(3) }

func (r Request) word(i int) string {
	if i >= len(r.Args) {
		return ""
	}
	return r.Args[i]
}

// Parse reads one datagram. It ends at the first NUL, with or without one.
func Parse(datagram []byte) (Request, error) {
	text, _, _ := bytes.Cut(datagram, []byte{0})
	if len(text) > 0 && text[0] == '{' {
		return parseJSON(text[:min(len(text), MaxJSON)])
	}
	return parseText(string(text[:min(len(text), MaxText)]))
}

func parseText(text string) (Request, error) {
	name, rest, found := strings.Cut(text, " ")
	if !found {
		return Request{}, ErrInvalid
	}
	r := Request{Name: name}
	words := strings.SplitN(rest, " ", MaxArgs+1)
	if len(words) < 2 {
		return r, ErrArguments
	}
	// A copy, for a request may wait long, and SplitN has made room for all the
	// words there could have been.
	r.Args = slices.Clone(words[:min(len(words), MaxArgs)])
	return r, nil
}
