// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hids/config"
	"hids/config/defaults"
	"hids/config/match"
	"hids/internal/testenv"
)

// files are file names and contents; the names of LoadOptions are their own.
type files map[string]string

func load(t testing.TB, in files, change ...func(*config.LoadOptions)) (*config.Config, config.Faults) {
	t.Helper()
	o := config.LoadOptions{
		OssecConf: "ossec.conf", HidsConf: "hids.conf", AgentConf: "agent.conf", AgentInfo: "agent_info",
		InternalOptions: "internal", LocalInternalOptions: "local",
		ReadFile: func(name string) ([]byte, error) {
			if s, ok := in[name]; ok {
				return []byte(s), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
	for _, c := range change {
		c(&o)
	}
	return config.Load(t.Context(), o)
}

// good loads what must have no fault that is fatal.
func good(t testing.TB, in files, change ...func(*config.LoadOptions)) *config.Config {
	t.Helper()
	cfg, faults := load(t, in, change...)
	if faults.Err() != nil {
		t.Fatal(faults)
	}
	return cfg
}

func syscheck(body string) files {
	return files{"ossec.conf": "<ossec_config><syscheck>" + body + "</syscheck></ossec_config>"}
}

func paths(cfg *config.Config) []string {
	var list []string
	for _, d := range cfg.Syscheck.Directories {
		list = append(list, d.Path)
	}
	return list
}

func texts(rules []config.PathRule) []string {
	var list []string
	for _, r := range rules {
		if r.Pattern != nil {
			list = append(list, "sregex "+r.Pattern.String())
		} else {
			list = append(list, r.Prefix)
		}
	}
	return list
}

// TestFaults has one row for each way in which a file can be wrong: where it
// is said, and whether hids goes on.
func TestFaults(t *testing.T) {
	tests := []struct{ section, body, want string }{
		// want is "column: start of the message", in line 2; with ~ in front it is no fatal fault.
		{"syscheck", `<directories check_all="yes"></directories>`, "1: <directories> names no folder"},
		{"syscheck", `<directories check_all="no">/etc</directories>`, "1: <directories> checks nothing"},
		{"syscheck", `<directories check_all="Yes">/etc</directories>`, `14: check_all is "Yes"`},
		{"syscheck", `<directories check_al="yes">/etc</directories>`, "14: unknown attribute check_al"},
		{"syscheck", `<directories check_all="yes" restrict="a$b">/etc</directories>`, `30: restrict "a$b" can never match`},
		{"syscheck", `<directories recursion_level="321">/etc</directories>`, "14: recursion_level"},
		{"syscheck", `<directories diff_size_limit="5XB">/etc</directories>`, "14: diff_size_limit"},
		{"syscheck", `<directories check_all="yes">/etc/[a</directories>`, "30: glob"},
		{"syscheck", `<directories check_all="yes">/a,/b,/a,/c</directories>`, `~36: "/a" is listed at ossec.conf:2:30 already`},
		{"syscheck", `<directories check_all="yes">etc</directories>`, `~30: "etc" is taken for "/etc"`},
		{"syscheck", `<directories check_all="yes">C:\x</directories>`, `~30: "C:\\x" is a path of Windows`},
		{"syscheck", `<ignore></ignore>`, "1: an empty <ignore> covers every file"},
		{"syscheck", "<ignore> \t</ignore>", "1: an empty <ignore> covers every file"},
		{"syscheck", `<ignore type="sregex">a|</ignore>`, `23: <ignore> "a|" covers every file`},
		{"syscheck", `<ignore type="regex">a</ignore>`, `9: attribute type="regex"`},
		{"syscheck", `<ignore type="sregex">a$b</ignore>`, `23: ignore "a$b" can never match`},
		{"syscheck", `<nodiff/>`, "1: an empty <nodiff>"},
		{"syscheck", `<frequency>1h</frequency>`, `12: frequency is "1h"`},
		{"syscheck", `<frequency>-1</frequency>`, `12: frequency is "-1"`},
		{"syscheck", `<frequency></frequency>`, `~1: frequency is "" and taken for 5m0s`},
		{"syscheck", `<disabled>true</disabled>`, `11: disabled is "true"`},
		{"syscheck", `<scan_time>21:75</scan_time>`, `12: scan_time is "21:75"`},
		{"syscheck", `<scan_day>tues</scan_day>`, `11: scan_day is "tues": "tues" is no day`},
		{"syscheck", `<directories check_all="yes" whodata="yes">/etc</directories>`, `~30: whodata is watched in real time; who did it is not told`},
		{"syscheck", `<prefilter_cmd>prelink -y</prefilter_cmd>`, `16: prefilter_cmd is "prelink -y"`},
		{"syscheck", `<directorie>/etc</directorie>`, "1: unknown element <directorie>"},
		{"syscheck", `<frequency><x>1</x></frequency>`, "1: <frequency> holds elements"},
		{"syscheck", `<max_file_size>10XB</max_file_size>`, "~1: OSSEC's own daemons refuse <max_file_size>"},
		{"syscheck", `<windows_registry>HKCU\x</windows_registry>`, "~19: registry key"},
		{"syscheck", `<diff><disk_quota><limit>x</limit></disk_quota></diff>`, "26: limit of <disk_quota>"},
		{"rootcheck", `<check_dev>maybe</check_dev>`, `12: check_dev is "maybe"`},
		{"rootcheck", `<rootkit_files></rootkit_files>`, "1: <rootkit_files> is empty"},
		{"rootcheck", `<daemon>yes</daemon>`, "1: unknown element <daemon>"},
		{"active-response", `<disabled> yes no</disabled>`, `11: disabled is "yes no"`},
		{"active-response", `<repeated_offenders>abc,5</repeated_offenders>`, `21: "abc" in <repeated_offenders>`},
		{"active-response", `<repeated_offenders>-3</repeated_offenders>`, `21: "-3" in <repeated_offenders>`},
		{"active-response", `<repeated_offenders>10,7x</repeated_offenders>`, `~24: "7x" is taken for 7 minutes`},
		{"active-response", `<repeated_offenders>10,0,20</repeated_offenders>`, "~24: the list of <repeated_offenders> ends at 0"},
		{"global", `<white_list>300.1.1.1</white_list>`, `13: white_list has "300.1.1.1"`},
		{"client", `<server-ip>1.2.3.4:1514</server-ip>`, `~12: server-ip "1.2.3.4:1514"`},
		{"sysckeck", `<x>1</x>`, "unknown section <sysckeck>"},
	}
	for _, tt := range tests {
		t.Run(tt.section+" "+tt.body, func(t *testing.T) {
			in := files{"ossec.conf": fmt.Sprintf("<ossec_config><%s>\n%s\n</%s></ossec_config>", tt.section, tt.body, tt.section)}
			_, faults := load(t, in)
			want, warning := strings.CutPrefix(tt.want, "~")
			if len(faults) == 0 || !strings.Contains(faults[0].Error(), want) || faults[0].Fatal == warning {
				t.Fatalf("faults: %v, want %q", faults, tt.want)
			}
			if want[0] <= '9' && !strings.HasPrefix(faults[0].Error(), "ossec.conf:2:"+want) {
				t.Errorf("position: %v", faults[0])
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, faults := load(t, files{
		"ossec.conf": "<ossec_config>\n<syscheck><disabled>x</disabled>\n<ignore/></syscheck>\n<rootcheck><scanall>1</scanall></rootcheck></ossec_config>",
		"hids.conf":  "<hids_config><settings><queue>x</queue></settings></hids_config>",
		"local":      "syscheck.sleep=65",
	})
	if len(faults) != 5 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
}

func TestHints(t *testing.T) {
	for body, hint := range map[string]string{
		"<directorie>/etc</directorie>":                        "did you mean <directories>?",
		`<directories check_al="yes">/etc</directories>`:       "did you mean check_all?",
		"<something_else_entirely>1</something_else_entirely>": "",
	} {
		_, faults := load(t, syscheck(body))
		if len(faults) == 0 || faults[0].Hint != hint {
			t.Errorf("%s: %v", body, faults)
		}
	}
}

// TestDirectoryOptions is what OSSEC 4.3.0 was seen to do with each option.
func TestDirectoryOptions(t *testing.T) {
	tests := []struct{ attrs, checks string }{
		{`check_all="yes"`, config.CheckAll.String()},
		{``, config.CheckAll.String()},
		{`check_size="yes"`, "size sha256"},
		{`check_perm="yes"`, "perm sha256"},
		{`check_md5sum="yes"`, "md5 sha256"},
		{`restrict=".conf$"`, "sha256"},
		{`realtime="yes"`, "sha256"},
		{`check_sum="yes"`, "md5 sha1 sha256"},
		{`check_all="no" check_perm="yes"`, "perm"},
		{`check_all="yes" check_sum="no"`, "size perm owner group attrs xattrs target"},
		{`check_all="yes" check_size="no" check_md5sum="no"`, "perm owner group sha1 sha256 attrs xattrs target"},
		{`check_sha256sum="no" check_owner="yes"`, "owner"},
		{`check_all="yes" check_mtime="yes" check_inode="yes" check_links="yes"`, "size perm owner group md5 sha1 sha256 mtime inode attrs xattrs links target"},
	}
	for _, tt := range tests {
		cfg := good(t, syscheck("<directories "+tt.attrs+">/etc</directories>"))
		if got := cfg.Syscheck.Directories[0].Checks.String(); got != tt.checks {
			t.Errorf("%s: %s, want %s", tt.attrs, got, tt.checks)
		}
	}
}

func TestDirectoryAttributes(t *testing.T) {
	cfg := good(t, syscheck(`<directories check_all="yes" whodata="yes" report_changes="yes" restrict=".conf$" recursion_level="3"
		follow_symbolic_link="yes" diff_size_limit="50MB" tags="a, b,">/etc</directories><directories check_all="yes" no_recurse="yes" restrict="">/bin</directories>
		<directories no_recurse="no">/sbin</directories>`))
	d := cfg.Syscheck.Directories[0]
	if !d.Realtime || !d.Whodata || !d.ReportChanges || d.Restrict.String() != ".conf$" || d.RecursionLevel != 3 ||
		!d.FollowSymlink || d.DiffSizeLimit != 50<<20 || !slices.Equal(d.Tags, []string{"a", "b"}) || d.Remote {
		t.Errorf("%+v", d)
	}
	if d := cfg.Syscheck.Directories[1]; d.RecursionLevel != 0 || d.Restrict != nil {
		t.Errorf("%+v", d)
	}
	if d := cfg.Syscheck.Directories[2]; d.RecursionLevel != -1 {
		t.Errorf("%+v", d)
	}
}

func TestDirectoryLists(t *testing.T) {
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("/p%d", i))
	}
	tests := []struct {
		about, list string
		want        []string
	}{
		{"newlines and blanks", "\n\t/etc,\n /usr/bin , /my dir\n", []string{"/etc", "/usr/bin", "/my dir"}},
		{"empty pieces", "/a,,/b,", []string{"/a", "/b"}},
		{"a duplicate does not drop the rest", "/a,/a,/b", []string{"/a", "/b"}},
		{"more than 64", strings.Join(many, ","), many},
		{"slashes", "/etc/,//usr//bin,/", []string{"/etc", "/usr/bin", "/"}},
		{"comments", "/a<!-- no, no -->b,/c", []string{"/ab", "/c"}},
		{"globs stay", "/home/*/.ssh", []string{"/home/*/.ssh"}},
		{"entities stay", "/a&amp;b", []string{"/a&amp;b"}},
	}
	for _, tt := range tests {
		cfg := good(t, syscheck(`<directories check_all="yes">`+tt.list+"</directories>"))
		if got := paths(cfg); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", tt.about, got)
		}
	}
}

func TestPathRules(t *testing.T) {
	cfg := good(t, syscheck(`<ignore>/a</ignore><ignore> /a
		</ignore><ignore type="sregex">/a</ignore><ignore type="sregex">.log$|^/x</ignore><nodiff>/a</nodiff><registry_ignore type="sregex">\Enum$</registry_ignore>`))
	s := cfg.Syscheck
	if got := texts(s.Ignore); !slices.Equal(got, []string{"/a", "sregex /a", "sregex .log$|^/x"}) {
		t.Errorf("%q", got)
	}
	if len(s.NoDiff) != 1 || len(s.RegIgnore) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPositionInAList(t *testing.T) {
	cfg := good(t, files{"ossec.conf": "<ossec_config><syscheck><directories check_all=\"yes\">\n/etc,\n  /bin</directories></syscheck></ossec_config>"})
	if got := cfg.Syscheck.Directories[1].Pos.String(); got != "ossec.conf:3:3" {
		t.Error(got)
	}
}

func TestWindowsPaths(t *testing.T) {
	cfg := good(t, syscheck(`<directories check_all="yes">%WINDIR%\System32/x,C:\a b\,%NONE%/y</directories><ignore type="sregex">\temp\|.log$</ignore>`),
		func(o *config.LoadOptions) {
			o.Windows = true
			o.Getenv = func(name string) string { return map[string]string{"WINDIR": `C:\Windows`}[name] }
		})
	if got := paths(cfg); !slices.Equal(got, []string{"C:/Windows/System32/x", "C:/a b", "%NONE%/y"}) {
		t.Errorf("%q", got)
	}
	if got := texts(cfg.Syscheck.Ignore); !slices.Equal(got, []string{"sregex /temp/|.log$"}) {
		t.Errorf("%q", got)
	}
	if !cfg.ActiveResponse.Disabled || cfg.Rootcheck.BaseDirectory != "C:" {
		t.Error("OSSEC's defaults for Windows are others")
	}
}

func TestScanTimeAndDay(t *testing.T) {
	times := map[string]string{
		"21:30": "21:30", "9": "09:00", "9pm": "21:00", "8:30 am": "08:30", "08:30PM": "20:30",
		"12am": "00:00", "12pm": "12:00", "12:15 am": "00:15", "0:00": "00:00", "23:59": "23:59",
		"24:00": "", "!9": "", "10:00 - 12:00": "", "13pm": "", "9:5": "", "": "", "123": "",
	}
	for in, want := range times {
		cfg, _ := load(t, syscheck("<directories>/etc</directories><scan_time>"+in+"</scan_time>"))
		got := ""
		if cfg != nil {
			got = fmt.Sprintf("%02d:%02d", cfg.Syscheck.ScanTime.Hour, cfg.Syscheck.ScanTime.Minute)
		}
		if got != want {
			t.Errorf("scan_time %q: %q, want %q", in, got, want)
		}
	}
	days := map[string]string{
		"monday": "[Monday]", "Mon, FRI": "[Monday Friday]", "weekends": "[Sunday Saturday]",
		"!monday": "[Sunday Tuesday Wednesday Thursday Friday Saturday]", "!weekdays, !sun": "[Saturday]",
		"monday,!friday": "", "tues": "", "": "", "!weekdays,weekends": "",
	}
	for in, want := range days {
		cfg, _ := load(t, syscheck("<directories>/etc</directories><scan_day>"+in+"</scan_day>"))
		got := ""
		if cfg != nil {
			got = fmt.Sprint(cfg.Syscheck.ScanDays)
		}
		if got != want {
			t.Errorf("scan_day %q: %q, want %q", in, got, want)
		}
	}
}

// The supervisor hands the configuration to the processes of its modules.
func TestConfigSurvivesJSON(t *testing.T) {
	cfg := good(t, files{
		"ossec.conf": `<ossec_config><syscheck><directories check_all="yes" restrict=".conf$" tags="a">/etc,/caf` + "\xe9" + `</directories><ignore type="sregex">.log$|é|` + "\xe9" + `</ignore>
			<ignore>/x</ignore><scan_time>9pm</scan_time><scan_day>!monday</scan_day></syscheck><rootcheck><check_dev>no</check_dev></rootcheck></ossec_config>`,
		"hids.conf": "<hids_config><active-response><white_list>::1</white_list><deadline>2m</deadline></active-response></hids_config>",
	})
	data, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got *config.Config
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b *match.Match) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	})
	if diff := cmp.Diff(cfg, got, same); diff != "" {
		t.Error(diff)
	}
	if !got.Syscheck.Ignore[0].Pattern.MatchString("/var/x.LOG") {
		t.Error("the pattern does not match any more")
	}
}

func TestFrequency(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3600": time.Hour, "0": 300 * time.Second, "99999999999": 10 * 365 * 24 * time.Hour, "99999999999999999999999": 10 * 365 * 24 * time.Hour,
	} {
		if got := good(t, syscheck("<directories>/a</directories><frequency>"+text+"</frequency>")).Syscheck.Frequency; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestSectionsAddUpAndTheLastScalarCounts(t *testing.T) {
	cfg := good(t, files{"ossec.conf": `<ossec_config><syscheck><frequency>100</frequency><directories>/a</directories></syscheck></ossec_config>
		<ossec_config><syscheck><frequency>0200</frequency><directories>/b</directories></syscheck><wodle name="x"><y>1</y></wodle></ossec_config><ossec_config/>`})
	if cfg.Syscheck.Frequency != 200*time.Second || !slices.Equal(paths(cfg), []string{"/a", "/b"}) {
		t.Errorf("%v %q", cfg.Syscheck.Frequency, paths(cfg))
	}
	if got := cfg.Origins["syscheck.frequency"].Line; got != 2 {
		t.Errorf("origin in line %d", got)
	}
}

func TestWazuhSyscheckIsUnderstood(t *testing.T) {
	cfg := good(t, syscheck(`<directories>/etc,/usr/bin</directories><skip_nfs>yes</skip_nfs><skip_dev>yes</skip_dev><max_eps>50</max_eps>
		<process_priority>10</process_priority><synchronization><enabled>yes</enabled></synchronization>
		<diff><disk_quota><enabled>yes</enabled><limit>2GB</limit></disk_quota><file_size><limit>10MB</limit><enabled>no</enabled></file_size><nodiff>/etc/x</nodiff></diff>
		<ignore type="sregex">.log$|.swp$</ignore><windows_registry arch="64bit">HKEY_LOCAL_MACHINE\Software\Policies</windows_registry>`))
	s := cfg.Syscheck
	if !s.SkipNFS || s.MaxEventsPS != 50 || s.DiffQuota != 2<<30 || s.DiffFileSize < 1<<40 || len(s.NoDiff) != 1 || s.Registry[0].Arch != "64bit" {
		t.Errorf("%+v", s)
	}
}

func TestRootcheck(t *testing.T) {
	cfg := good(t, files{"ossec.conf": `<ossec_config><rootcheck><rootkit_files>/a</rootkit_files><system_audit>/p1</system_audit>
		<system_audit>/p2</system_audit><check_pids>no</check_pids><check_dev>no</check_dev><check_dev>yes</check_dev><check_policy>no</check_policy><frequency>7</frequency>
		<ignore>/x</ignore><base_directory>/mnt/</base_directory></rootcheck></ossec_config>`})
	r := cfg.Rootcheck
	if r.RootkitFiles != "/a" || !slices.Equal(r.SystemAudit, []string{"/p1", "/p2"}) || !r.Off["pids"] || r.Off["dev"] || !r.Off["unixaudit"] ||
		r.Frequency != 7*time.Second || len(r.Ignore) != 1 || r.BaseDirectory != "/mnt" || r.Disabled {
		t.Errorf("%+v", r)
	}
}

func TestRepeatedOffenders(t *testing.T) {
	block := func(body string) string { return "<active-response>" + body + "</active-response>" }
	tests := []struct {
		about, body string
		want        []time.Duration
		disabled    bool
	}{
		{"plain", block("<repeated_offenders>30, 60\n,120</repeated_offenders>"), []time.Duration{30, 60, 120}, false},
		{"more than five", block("<repeated_offenders>1,2,3,4,5,6,7</repeated_offenders>"), []time.Duration{1, 2, 3, 4, 5, 6, 7}, false},
		{"in the sixth block", strings.Repeat(block("<command>x</command>"), 5) + block("<repeated_offenders>9</repeated_offenders>"), []time.Duration{9}, false},
		{"the first counts", block("<repeated_offenders>1</repeated_offenders>") + block("<repeated_offenders>2</repeated_offenders>"), []time.Duration{1}, false},
		{"a block with attributes", `<active-response x="1"><repeated_offenders>3</repeated_offenders></active-response>`, []time.Duration{3}, false},
		{"disabled", block("<disabled> yes </disabled>"), nil, true},
		{"disabled in a second block", block("<level>6</level>") + block("<disabled>yes</disabled>"), nil, true},
		{"a second response is off, not execd", block("<command>a</command>") + block("<command>b</command><disabled>yes</disabled>"), nil, false},
		{"the first block is what OSSEC sees", block("<command>a</command><disabled>yes</disabled>"), nil, true},
	}
	for _, tt := range tests {
		cfg := good(t, files{"ossec.conf": "<ossec_config>" + tt.body + "</ossec_config>"})
		var got []time.Duration
		for _, d := range cfg.ActiveResponse.RepeatedOffenders {
			got = append(got, d/time.Minute)
		}
		if !slices.Equal(got, tt.want) || cfg.ActiveResponse.Disabled != tt.disabled {
			t.Errorf("%s: %v, disabled %v", tt.about, got, cfg.ActiveResponse.Disabled)
		}
	}
}

func TestOwnSettings(t *testing.T) {
	cfg := good(t, files{
		"ossec.conf": `<ossec_config><client><server-ip>192.0.2.1</server-ip><server-hostname>mgr.example</server-hostname></client>
			<global><white_list>127.0.0.1</white_list><white_list>^localhost.localdomain$</white_list></global>
			<active-response><repeated_offenders>1</repeated_offenders></active-response></ossec_config>`,
		"hids.conf": `<hids_config><settings><event_log_size>10MB</event_log_size><event_log_files>2</event_log_files><queue>no</queue><spool_size>1GB</spool_size></settings>
			<syscheck><max_files_per_second>100</max_files_per_second><max_bytes_per_second>5MB</max_bytes_per_second><max_file_size>1GB</max_file_size><sum_fields>6</sum_fields></syscheck>
			<rootcheck><hash_suffix>yes</hash_suffix></rootcheck>
			<active-response><white_list>2001:db8::/32, 192.0.2.0/24</white_list><protect_ssh>no</protect_ssh><keep_on_stop>yes</keep_on_stop><concurrency>3</concurrency>
			<deadline>2m</deadline><ipv6_prefix>64</ipv6_prefix><firewall>iptables</firewall><offenders_age>7d</offenders_age><repeated_offenders>5</repeated_offenders>
			<notify><url>https://example.org/hook</url><command>/bin/tell it</command></notify></active-response></hids_config>`,
	})
	want := config.ActiveResponse{
		RepeatedOffenders: []time.Duration{5 * time.Minute}, OffendersAge: 7 * 24 * time.Hour,
		WhiteList:  []string{"127.0.0.1", "localhost.localdomain", "2001:db8::/32", "192.0.2.0/24"},
		KeepOnStop: true, Concurrency: 3, Deadline: 2 * time.Minute, IPv6Prefix: 64, Firewall: "iptables",
		Notify: config.Notify{URL: "https://example.org/hook", Command: []string{"/bin/tell", "it"}},
	}
	if diff := cmp.Diff(want, cfg.ActiveResponse); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(config.Settings{EventLogSize: 10 << 20, EventLogFiles: 2, SpoolSize: 1 << 30, Queue: "no"}, cfg.Settings); diff != "" {
		t.Error(diff)
	}
	s := cfg.Syscheck
	if s.MaxFilesPS != 100 || s.MaxBytesPS != 5<<20 || s.MaxFileSize != 1<<30 || s.SumFields != 6 || !cfg.Rootcheck.HashSuffix {
		t.Errorf("%+v", s)
	}
	if !slices.Equal(cfg.Manager.Addresses, []string{"192.0.2.1", "mgr.example"}) {
		t.Errorf("%q", cfg.Manager.Addresses)
	}
}

func TestOwnSettingsRefused(t *testing.T) {
	for _, body := range []string{
		"<active-response><firewall>ufw</firewall></active-response>", "<active-response><firewall></firewall></active-response>",
		"<active-response><ipv6_prefix>129</ipv6_prefix></active-response>", "<active-response><deadline>0</deadline></active-response>",
		"<active-response><deadlin>9</deadlin></active-response>", "<active-response><notify><url>ftp://x/</url></notify></active-response>",
		"<active-response><notify><command>sh -c x</command></notify></active-response>", "<active-response><white_list>192.0.2.0/33</white_list></active-response>",
		"<settings><queue>maybe</queue></settings>", "<settings></settings>", "<syscheck><sum_fields>8</sum_fields></syscheck>",
	} {
		if _, faults := load(t, files{"hids.conf": "<hids_config>" + body + "</hids_config>"}); faults.Err() == nil {
			t.Errorf("taken: %s", body)
		}
	}
	if _, faults := load(t, files{"ossec.conf": "<ossec_config><settings><queue>no</queue></settings></ossec_config>"}); faults.Err() == nil {
		t.Error("<settings> is taken from ossec.conf")
	}
}

func TestInternalOptionsAndTheRateOfAScan(t *testing.T) {
	base := syscheck("<directories>/etc</directories>")["ossec.conf"]
	tests := []struct {
		about, internal, local, own string
		want                        int
	}{
		{"no files", "", "", "", 0},
		{"as shipped", "syscheck.sleep=2\nsyscheck.sleep_after=15\n", "", "", 0},
		{"changed", "syscheck.sleep=1\nsyscheck.sleep_after=100\n", "", "", 100},
		{"local, the same values", "syscheck.sleep=2\nsyscheck.sleep_after=15\n", "syscheck.sleep=2\n", "", 7},
		{"no pause", "syscheck.sleep=0\nsyscheck.sleep_after=100\n", "", "", 0},
		{"hids.conf counts", "syscheck.sleep=1\nsyscheck.sleep_after=100\n", "", "<max_files_per_second>0</max_files_per_second>", 0},
		{"less than one", "syscheck.sleep=64\nsyscheck.sleep_after=1\n", "", "", 1},
	}
	for _, tt := range tests {
		in := files{"ossec.conf": base, "internal": tt.internal, "local": tt.local}
		if tt.own != "" {
			in["hids.conf"] = "<hids_config><syscheck>" + tt.own + "</syscheck></hids_config>"
		}
		if got := good(t, in).Syscheck.MaxFilesPS; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.about, got, tt.want)
		}
	}
}

func TestMissingAndUnreadableFiles(t *testing.T) {
	if _, faults := load(t, files{}, func(o *config.LoadOptions) { o.Required = true }); faults.Err() == nil {
		t.Error("a file that was asked for may be missing")
	}
	denied := func(o *config.LoadOptions) {
		o.ReadFile = func(string) ([]byte, error) { return nil, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission} }
	}
	_, faults := load(t, files{}, denied)
	if faults.Err() == nil || !strings.HasPrefix(faults[0].Error(), "ossec.conf: read: permission denied") {
		t.Errorf("%v", faults)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, faults := config.Load(ctx, config.LoadOptions{}); faults.Err() == nil {
		t.Error("a load that was called off gave a configuration")
	}
}

func TestReadsOnlyRegularFiles(t *testing.T) {
	_, faults := config.Load(t.Context(), config.LoadOptions{OssecConf: t.TempDir()})
	if faults.Err() == nil {
		t.Error("a folder was read")
	}
	name := filepath.Join(t.TempDir(), "ossec.conf")
	if err := os.WriteFile(name, []byte("<ossec_config><syscheck><directories>/a</directories></syscheck></ossec_config>"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults := config.Load(t.Context(), config.LoadOptions{OssecConf: name})
	if faults != nil || !slices.Equal(paths(cfg), []string{"/a"}) {
		t.Errorf("%v", faults)
	}
}

func TestDefaults(t *testing.T) {
	cfg, faults := load(t, files{})
	if len(faults) != 0 || len(cfg.Files) != 0 {
		t.Fatalf("files %q, faults %v", cfg.Files, faults)
	}
	for _, want := range []string{"/etc", "/usr/bin", "/usr/sbin", "/bin", "/sbin", "/boot"} {
		if !slices.Contains(paths(cfg), want) {
			t.Errorf("%s is not watched", want)
		}
	}
	if cfg.Syscheck.Directories[0].Pos.File != config.DefaultName {
		t.Errorf("%v", cfg.Syscheck.Directories[0].Pos)
	}
	tuned := good(t, files{"hids.conf": "<hids_config><settings><queue>no</queue></settings></hids_config>"})
	if !slices.Equal(paths(tuned), paths(cfg)) {
		t.Error("a hids.conf without <directories> must not end watching")
	}
	own := good(t, files{"hids.conf": "<hids_config><syscheck><directories>/x</directories></syscheck></hids_config>"})
	if !slices.Equal(paths(own), []string{"/x"}) {
		t.Errorf("%q", paths(own))
	}
}

// The template shows every setting with its default: uncommented, it must
// change nothing and leave no setting out.
func TestHidsConfTemplateIsTheDefault(t *testing.T) {
	open, rest, _ := strings.Cut(defaults.HidsConf, "<hids_config>")
	body, _, _ := strings.Cut(rest, "</hids_config>")
	body = strings.NewReplacer("<!--", "", "-->", "").Replace(body)
	cfg := good(t, files{"ossec.conf": "<ossec_config/>", "hids.conf": open + "<hids_config>" + body + "</hids_config>"})
	want := good(t, files{"ossec.conf": "<ossec_config/>", "hids.conf": defaults.HidsConf})
	cfg.Origins, want.Origins = nil, nil
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Error(diff)
	}
}

func TestEffectiveTellsWhereValuesComeFrom(t *testing.T) {
	cfg := good(t, files{
		"ossec.conf": "<ossec_config><syscheck>\n<directories check_all=\"yes\" realtime=\"yes\" tags=\"x\">/etc</directories>\n<ignore type=\"sregex\">.log$</ignore>\n</syscheck></ossec_config>",
		"hids.conf":  "<hids_config><settings>\n<queue>no</queue></settings></hids_config>",
	})
	got := map[string]string{}
	for _, s := range cfg.Effective() {
		got[s.Name] = s.Value + " @ " + s.Pos.String()
	}
	for name, want := range map[string]string{
		"syscheck.directories": "/etc check=" + strings.ReplaceAll(config.CheckAll.String(), " ", "+") + " realtime tags=x @ ossec.conf:2:54",
		"syscheck.ignore":      "sregex .log$ @ ossec.conf:3:1",
		"settings.queue":       "no @ hids.conf:2:1",
		"syscheck.frequency":   "600 @ default",
	} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

// TestStockFiles loads every ossec.conf that OSSEC ships and looks at what its
// daemons would make of it.
func TestStockFiles(t *testing.T) {
	stock := testenv.Shared(t, "vectors", "stock")
	system := []string{"/etc", "/usr/bin", "/usr/sbin", "/bin", "/sbin"}
	tests := []struct {
		file      string
		frequency time.Duration
		dirs      []string
		ignores   int
	}{
		{"2.8.3/ossec.conf", 7200 * time.Second, system, 6},
		{"2.8.3/ossec-agent.conf", 7200 * time.Second, system, 6},
		{"2.8.3/ossec-server.conf", 72000 * time.Second, system, 6},
		{"2.8.3/ossec-local.conf", 17200 * time.Second, system, 6},
		{"4.3.0/ossec.conf", 7200 * time.Second, append(slices.Clone(system), "/boot"), 7},
		{"4.3.0/ossec-agent.conf", 7200 * time.Second, append(slices.Clone(system), "/boot"), 7},
		{"4.3.0/ossec-server.conf", 72000 * time.Second, append(slices.Clone(system), "/boot"), 7},
		{"4.3.0/ossec-local.conf", 17200 * time.Second, append(slices.Clone(system), "/boot"), 7},
		{"4.3.0/ossec-win32.conf", 72000 * time.Second, nil, 1},
	}
	for _, tt := range tests {
		cfg, faults := config.Load(t.Context(), config.LoadOptions{OssecConf: filepath.Join(stock, tt.file), Required: true})
		if faults.Err() != nil {
			t.Errorf("%s: %v", tt.file, faults)
			continue
		}
		if cfg.Syscheck.Frequency != tt.frequency || !slices.Equal(paths(cfg), tt.dirs) || len(cfg.Syscheck.Ignore) != tt.ignores {
			t.Errorf("%s: frequency %v, %q, %d ignores", tt.file, cfg.Syscheck.Frequency, paths(cfg), len(cfg.Syscheck.Ignore))
		}
		for _, d := range cfg.Syscheck.Directories {
			if d.Checks != config.CheckAll {
				t.Errorf("%s: %s checks %v", tt.file, d.Path, d.Checks)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(defaults.OssecConf, "<hids_config><settings><queue>no</queue></settings></hids_config>", `<agent_config name="a|b" os="Linux"><syscheck><ignore>/x</ignore></syscheck></agent_config>`, "syscheck.sleep=3")
	f.Add("<ossec_config><active-response><repeated_offenders>1,2</repeated_offenders></active-response><rootcheck><ignore>x</ignore></rootcheck></ossec_config>",
		"<hids_config><active-response><white_list>::1</white_list></active-response></hids_config>", "<agent_config/>", "")
	f.Fuzz(func(t *testing.T, ossec, own, remote, internal string) {
		cfg, faults := load(t, files{"ossec.conf": ossec, "hids.conf": own, "agent.conf": remote, "local": internal, "agent_info": "n\n-\n001\np\n"})
		if (cfg == nil) != faults.Fatal() {
			t.Fatalf("configuration %v, fatal %v", cfg != nil, faults.Fatal())
		}
		for _, ft := range faults {
			if strings.ContainsAny(strings.Replace(ft.Error(), "\n  hint: ", "", 1), "\x1b\x00\n\r") {
				t.Fatalf("raw text in %q", ft.Error())
			}
			if ft.Fatal && ft.Pos.File == "agent.conf" {
				t.Fatalf("a manager can stop an agent: %v", ft)
			}
		}
		if cfg == nil {
			return
		}
		for _, d := range cfg.Syscheck.Directories {
			if !strings.HasPrefix(d.Path, "/") || d.Checks == 0 {
				t.Fatalf("%+v", d)
			}
		}
		_ = cfg.Effective()
	})
}
