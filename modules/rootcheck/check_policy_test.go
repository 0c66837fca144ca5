// SPDX-License-Identifier: Apache-2.0

package rootcheck

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/modules/rootcheck/check"
	"hids/platform/registry"
)

// windows is a made-up machine: keys with a value each, and what runs.
type windows struct {
	values map[string]string // key\value
	runs   []string
}

func (windows) Exists(string) bool                                          { return false }
func (windows) Open(string) (io.ReadCloser, error)                          { return nil, fs.ErrNotExist }
func (windows) Walk(context.Context, string, func(path, base string)) error { return nil }
func (w windows) Processes() ([]string, error)                              { return w.runs, nil }

func (w windows) Registry(key, value string, data func(string) bool) (bool, error) {
	for name, text := range w.values {
		under, ok := strings.CutPrefix(strings.ToLower(name), strings.ToLower(key)+`\`)
		if ok && (value == "" || strings.EqualFold(under, value) && (data == nil || data(text))) {
			return true, nil
		}
	}
	return false, nil
}

// TestWindowsPolicies: the three policies of Windows have texts, kinds and
// rules of their own.
func TestWindowsPolicies(t *testing.T) {
	dir := t.TempDir()
	plant{
		"audit": "[Null sessions {CIS: 1} allowed] [any] [http://example.invalid]\n" +
			"r:HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa -> RestrictAnonymous -> 0;\n" +
			"[Firewall is off] [any] []\nr:HKLM\\SOFTWARE\\Firewall -> EnableFirewall -> !1;\n",
		"malware": "[Ginwui] [any] []\nr:HKLM\\SOFTWARE\\Ginwui;\np:r:zsyhide;\n",
		"apps":    "[Chat: Skype] [any] []\np:r:skype.exe;\n",
	}.in(t, dir)
	cfg := &config.Rootcheck{
		WindowsAudit: filepath.Join(dir, "audit"), WindowsMalware: filepath.Join(dir, "malware"), WindowsApps: filepath.Join(dir, "apps"),
	}
	target := windows{
		values: map[string]string{
			`HKLM\SYSTEM\CurrentControlSet\Control\Lsa\RestrictAnonymous`: "0",
			`HKLM\SOFTWARE\Firewall\EnableFirewall`:                       "1",
			`HKLM\SOFTWARE\Ginwui\@`:                                      "",
		},
		runs: []string{"explorer.exe", "Skype.exe"},
	}
	var got []string
	s := &check.Scan{Config: cfg, Log: slog.New(slog.DiscardHandler), Check: "policy", Emit: func(f check.Finding) {
		if f.Wire != "" {
			got = append(got, string(f.Kind)+" "+managerRule(f.Wire).ID+" "+f.Wire)
		}
	}}
	must(t, (&ossec{}).ask(t.Context(), s, target, allWindowsAudits(cfg)))
	want := []string{
		"policy 512 Windows Audit: Null sessions {CIS: 1} allowed. Reference: http://example.invalid .",
		"suspicious 513 Windows Malware: Ginwui.",
		"info 514 Application Found: Chat: Skype. Process: Skype.exe.",
	}
	if diff := cmp.Diff(want, got); diff != "" || s.Faults != 0 {
		t.Errorf("%d faults (-want +got):\n%s", s.Faults, diff)
	}
}

// TestRegistryElsewhere: a machine without a registry has no answer.
func TestRegistryElsewhere(t *testing.T) {
	if _, err := registry.Match(`HKLM\X`, "", nil); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
