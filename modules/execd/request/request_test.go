// SPDX-License-Identifier: Apache-2.0

package request_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/modules/execd/request"
)

func TestParseText(t *testing.T) {
	words := func(n int) string { return strings.Repeat(" w", n) }
	tests := []struct {
		name, in string
		want     request.Request
		err      error
	}{
		{"with NUL", "a0 - 1.2.3.4 1.1 5 x\x00", request.Request{Name: "a0", Args: []string{"-", "1.2.3.4", "1.1", "5", "x"}}, nil},
		{"without NUL", "a0 - 1.2.3.4", request.Request{Name: "a0", Args: []string{"-", "1.2.3.4"}}, nil},
		{"embedded NUL ends it", "a0 - 1.2.3.4\x00 more", request.Request{Name: "a0", Args: []string{"-", "1.2.3.4"}}, nil},
		{"empty words are kept", "a0  -  1.1.1.1", request.Request{Name: "a0", Args: []string{"", "-", "", "1.1.1.1"}}, nil},
		{"empty address", "a0 - ", request.Request{Name: "a0", Args: []string{"-", ""}}, nil},
		{"leading blank is an empty name", " a0 - -", request.Request{Name: "", Args: []string{"a0", "-", "-"}}, nil},
		{"newline stays", "a0 - 1.1.1.1\n", request.Request{Name: "a0", Args: []string{"-", "1.1.1.1\n"}}, nil},
		{"bytes pass", "a0 $(id) \xff\x01", request.Request{Name: "a0", Args: []string{"$(id)", "\xff\x01"}}, nil},
		{"bang is a name", "!a - -", request.Request{Name: "!a", Args: []string{"-", "-"}}, nil},
		{"one argument", "a0 -", request.Request{Name: "a0"}, request.ErrArguments},
		{"blank only", "a0 ", request.Request{Name: "a0"}, request.ErrArguments},
		{"no blank", "a0", request.Request{}, request.ErrInvalid},
		{"tabs", "a0\t-\t-", request.Request{}, request.ErrInvalid},
		{"empty", "", request.Request{}, request.ErrInvalid},
		{"only NUL", "\x00", request.Request{}, request.ErrInvalid},
		{"29 words", "a0" + words(29), request.Request{Name: "a0", Args: strings.Split(words(29)[1:], " ")}, nil},
		{"40 words", "a0" + words(40), request.Request{Name: "a0", Args: strings.Split(words(29)[1:], " ")}, nil},
		{"long", "a0 - " + strings.Repeat("x", 8000), request.Request{Name: "a0", Args: []string{"-", strings.Repeat("x", 6143-5)}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := request.Parse([]byte(tt.in))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

const wazuhMessage = `{"version":1,"origin":{"name":"","module":"wazuh-analysisd"},"command":"firewall-drop600",
"parameters":{"extra_args":["a"],"alert":{"id":"1.2","rule":{"id":5710},"location":"/var/log/a b",
"data":{"srcip":"203.0.113.7","dstuser":"eve\u0000il","x":"<&>"},"syscheck":[]}}}`

func TestParseWazuh(t *testing.T) {
	got, err := request.Parse([]byte(wazuhMessage + "\x00"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"eve", "203.0.113.7", "1.2", "5710", "/var/log/a b", "-"}
	if d := cmp.Diff(want, got.Args); d != "" {
		t.Error(d)
	}
	line := string(got.Wazuh.Input("add", "/b/firewall-drop", "h"))
	if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
		t.Errorf("input is not one line: %q", line)
	}
	for _, part := range []string{`"command":"add"`, `"extra_args":["a"]`, `"x":"<&>"`, `"program":"/b/firewall-drop"`} {
		if !strings.Contains(line, part) {
			t.Errorf("input lacks %s: %s", part, line)
		}
	}
}

func TestParseWazuhRefusals(t *testing.T) {
	for _, msg := range []string{
		`{`, `{}`, `{"command":""}`, `{"command":"a\u0000b"}`, `{"command":"a","parameters":{"alert":[]}}`,
		`{"command":"a"} x`, `{"command":7}`,
	} {
		if _, err := request.Parse([]byte(msg)); !errors.Is(err, request.ErrInvalid) {
			t.Errorf("%q: error %v, want ErrInvalid", msg, err)
		}
	}
	r, err := request.Parse([]byte(`{"command":"!x"}`))
	if err != nil || !r.Direct || r.Name != "x" || r.IP() != "-" {
		t.Errorf("direct: %+v, %v", r, err)
	}
}

func TestKeys(t *testing.T) {
	got, err := request.Keys([]byte(`{"version":1,"command":"check_keys","parameters":{"keys":["a","b"]}}` + "\n"))
	if d := cmp.Diff([]string{"a", "b"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	for _, line := range []string{"", "text", `{"command":"add","parameters":{"keys":["a"]}}`, `{"command":"check_keys"}`} {
		if _, err := request.Keys([]byte(line)); !errors.Is(err, request.ErrNoKeys) {
			t.Errorf("%q: error %v", line, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("a0 - 1.2.3.4 1.1 5 x\x00"))
	f.Add([]byte(" a  b\xff"))
	f.Add([]byte(wazuhMessage))
	f.Add([]byte(`{"command":"!x","parameters":{"alert":{"data":{"srcip":7}}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := request.Parse(in)
		if err != nil {
			if len(r.Args) != 0 {
				t.Fatalf("arguments beside error %v", err)
			}
			return
		}
		if len(r.Args) < 2 || len(r.Args) > request.MaxArgs {
			t.Fatalf("%d arguments", len(r.Args))
		}
		if strings.Contains(r.Name+strings.Join(r.Args, ""), "\x00") {
			t.Fatal("a NUL reached the arguments")
		}
		if r.Wazuh == nil {
			whole, _, _ := bytes.Cut(in, []byte{0})
			if again := r.Name + " " + strings.Join(r.Args, " "); !bytes.HasPrefix(whole, []byte(again)) {
				t.Fatalf("%q is not the beginning of %q", again, whole)
			}
			return
		}
		if line := r.Wazuh.Input("add", "p", "h"); !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("input %q", line)
		}
	})
}

// An alert has names that the writer of a log line has chosen. None of them speaks
// for the one that the manager has decoded.
func TestNamesOfAlertsAreExact(t *testing.T) {
	for _, alert := range []string{
		`{"data":{"srcip":"192.0.2.66","SRCIP":"198.51.100.9"}}`,
		`{"data":{"SRCIP":"198.51.100.9","srcip":"192.0.2.66"}}`,
		`{"data":{"srcip":"192.0.2.66","srcip":"198.51.100.9"}}`,
		`{"data":{"srcip":"192.0.2.66","dstUser":"victim"}}`,
		`{"data":{"srcip":"192.0.2.66"},"DATA":{"srcip":"198.51.100.9","dstuser":"victim"}}`,
		`{"data":{"more":{"srcip":"198.51.100.9"},"srcip":"192.0.2.66"}}`,
	} {
		r, err := request.Parse([]byte(`{"version":1,"command":"fw600","parameters":{"extra_args":[],"alert":` + alert + `}}`))
		if err != nil || r.IP() != "192.0.2.66" || r.User() != "-" {
			t.Errorf("%s: user %s, address %s, %v", alert, r.User(), r.IP(), err)
		}
	}
}
