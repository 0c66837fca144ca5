// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"slices"
	"strings"
	"testing"

	"hids/config"
)

const localConf = `<ossec_config><syscheck><frequency>100</frequency><directories check_perm="yes">/etc</directories></syscheck></ossec_config>`

func TestAgentConfSelectors(t *testing.T) {
	linux := func(o *config.LoadOptions) {
		o.OS = "Linux web01 6.1.0 #1 SMP x86_64 - OSSEC HIDS v4.3.0"
	}
	info := "web01\n-\n007\nweb,prod\n"
	tests := []struct {
		selector, info string
		want           bool
	}{
		{``, info, true},
		{``, "", true}, // OSSEC skips it until agentd has written its note
		{`overwrite="1"`, info, true},
		{`name="web01"`, info, true},
		{`name="^web01$"`, info, true},
		{`name="db|web"`, info, true},
		{`name="db"`, info, false},
		{`name="web01"`, "", false},
		{`os="linux"`, info, true},
		{`os="Windows"`, info, false},
		{`profile="prod"`, info, true},
		{`profile="test"`, info, false},
		{`name="web01" os="Windows"`, info, false},
		{`name="web01" os="Linux" profile="web"`, info, true},
		{`named="db"`, info, true}, // unknown: told, and applied, as in OSSEC
	}
	for _, tt := range tests {
		in := files{
			"ossec.conf": localConf,
			"agent.conf": "<agent_config " + tt.selector + "><syscheck><directories>/pushed</directories></syscheck></agent_config>",
		}
		if tt.info != "" {
			in["agent_info"] = tt.info
		}
		cfg := good(t, in, linux)
		if got := slices.Contains(paths(cfg), "/pushed"); got != tt.want {
			t.Errorf("%s: applied %v", tt.selector, got)
		}
	}
}

func TestAgentConfAddsAndOverrides(t *testing.T) {
	cfg, faults := load(t, files{
		"ossec.conf": localConf,
		"agent.conf": `<agent_config><syscheck><frequency>200</frequency><directories check_all="yes">/etc,/srv</directories>
			<prefilter_cmd>/bin/evil</prefilter_cmd><max_file_size>1</max_file_size></syscheck>
			<active-response><disabled>yes</disabled></active-response></agent_config>`,
		"agent_info": "a\n-\n1\n-\n",
	})
	if faults.Err() != nil {
		t.Fatal(faults)
	}
	s := cfg.Syscheck
	if s.Frequency.Seconds() != 200 || !slices.Equal(paths(cfg), []string{"/etc", "/srv"}) {
		t.Errorf("%v %q", s.Frequency, paths(cfg))
	}
	if s.Directories[0].Remote || s.Directories[0].Checks.String() != "perm sha256" || !s.Directories[1].Remote {
		t.Errorf("the local entry must stay as it is: %+v", s.Directories)
	}
	if s.PrefilterCmd != nil || s.MaxFileSize != 0 || cfg.ActiveResponse.Disabled {
		t.Error("a manager may not set this")
	}
	if len(faults) != 4 { // /etc twice, prefilter_cmd, max_file_size, active-response
		t.Errorf("%d faults: %v", len(faults), faults)
	}
}

// OSSEC stops reading agent.conf at its first fault and runs on with half of
// it; here only what is bad is lost.
func TestAgentConfFaultsLoseOnlyThemselves(t *testing.T) {
	cfg, faults := load(t, files{
		"ossec.conf": localConf,
		"agent.conf": `<agent_config><syscheck><frequency>x</frequency><ignore/><directories check_all="yes" bad="1">/srv</directories></syscheck></agent_config>
			<other/><agent_config><syscheck><directories>/opt</directories></syscheck></agent_config>`,
		"agent_info": "a\n-\n1\n-\n",
	})
	if faults.Err() != nil || len(faults) != 4 {
		t.Fatalf("%v", faults)
	}
	if !slices.Equal(paths(cfg), []string{"/etc", "/srv", "/opt"}) || len(cfg.Syscheck.Ignore) != 0 {
		t.Errorf("%q %v", paths(cfg), cfg.Syscheck.Ignore)
	}
	cfg, faults = load(t, files{"ossec.conf": localConf, "agent.conf": "<agent_config><syscheck>"})
	if faults.Err() != nil || len(faults) != 1 || len(paths(cfg)) != 1 {
		t.Errorf("%v", faults)
	}
	if !strings.HasPrefix(faults[0].Error(), "agent.conf:1:15: ") {
		t.Errorf("%v", faults)
	}
}
