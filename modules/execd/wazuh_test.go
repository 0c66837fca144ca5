// SPDX-License-Identifier: Apache-2.0

//go:build unix

package execd

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// wazuhProgram reads its alert and, under the name wazuh-asks, asks whether to
// go on. It returns what it read.
func wazuhProgram(name string) string {
	in := bufio.NewReader(os.Stdin)
	alert, _ := in.ReadString('\n')
	if !strings.Contains(name, "asks") || !strings.Contains(alert, `"command":"add"`) {
		return alert
	}
	fmt.Println(`{"version":1,"origin":{"name":"asks","module":"active-response"},"command":"check_keys","parameters":{"keys":["203.0.113.7"]}}`)
	answer, _ := in.ReadString('\n')
	return alert + answer
}

func wazuhRequest(command, ip, alert string) string {
	return fmt.Sprintf(`{"version":1,"origin":{"name":"","module":"wazuh-analysisd"},"command":%q,`+
		`"parameters":{"extra_args":[],"alert":{"id":%q,"rule":{"id":"5710"},"location":"/var/log/auth.log","data":{"srcip":%q}}}}`,
		command, alert, ip)
}

func (f *fixture) one() report {
	f.t.Helper()
	f.settled()
	r := f.reports()
	if len(r) != 1 {
		f.t.Fatalf("%d programs ran: %v\nlog:\n%s", len(r), r, f.log)
	}
	return r[0]
}

func TestWazuhDialogue(t *testing.T) {
	f := newFixture(t, "block600 - wazuh-asks - 600\n")
	f.programs("wazuh-asks")
	f.begin()
	f.send(wazuhRequest("block600", "203.0.113.7", "1.1"))
	r := f.one()
	if want := []string{"add", "-", "203.0.113.7", "1.1", "5710", "/var/log/auth.log", "-"}; fmt.Sprint(r.Argv[1:]) != fmt.Sprint(want) {
		t.Errorf("arguments %q", r.Argv[1:])
	}
	if !strings.Contains(r.In, `"command":"add"`) || !strings.Contains(r.In, `"command":"continue"`) {
		t.Errorf("program read %s", r.In)
	}
	// Another alert, the same keys: the program is asked, and told to stop.
	f.send(wazuhRequest("block600", "203.0.113.7", "1.2"))
	if r := f.one(); !strings.Contains(r.In, `"command":"abort"`) {
		t.Errorf("program read %s", r.In)
	}
	f.pass(600e9)
	if r := f.one(); r.Argv[1] != "delete" || r.Argv[4] != "1.1" || !strings.Contains(r.In, `"command":"delete"`) {
		t.Errorf("undone with %q, read %s", r.Argv, r.In)
	}
	f.pass(600e9)
	f.expect()
}

func TestWazuhProgramThatDoesNotAsk(t *testing.T) {
	f := newFixture(t, "block600 - wazuh-silent - 600\n")
	f.programs("wazuh-silent")
	f.begin()
	f.send(wazuhRequest("block600", "203.0.113.7", "1.1"))
	f.one()
	f.send(wazuhRequest("block600", "203.0.113.7", "1.2"))
	f.expect() // merged
	f.pass(600e9)
	f.expect("wazuh-silent delete - 203.0.113.7 1.1 5710 /var/log/auth.log -")
}

func TestWazuhDirectProgram(t *testing.T) {
	f := newFixture(t, "")
	f.programs("wazuh-direct")
	f.begin()
	f.send(wazuhRequest("!wazuh-direct", "203.0.113.7", "1.1"))
	f.one()
	f.send(wazuhRequest("!../bin/wazuh-direct", "203.0.113.7", "1.1"))
	f.send(wazuhRequest("!none", "203.0.113.7", "1.1"))
	f.send("!wazuh-direct - 203.0.113.7") // in OSSEC's form it is an unknown name
	f.expect()
	if s := f.d.snapshot(); s.Refused != 1 || s.Absent != 1 || s.Invalid != 1 {
		t.Errorf("%+v", s)
	}
}
