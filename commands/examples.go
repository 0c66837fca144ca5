// SPDX-License-Identifier: Apache-2.0

package commands

import "maps"

// examples are shown by --help and in the manual page of a command: lines that
// can be copied into a shell, with a comment where they do not explain
// themselves. A command without one does not pass the tests.
func examples() map[string]string {
	all := examplesOfFindings()
	maps.Copy(all, examplesOfRunning())
	return all
}

// examplesOfFindings are those of what looks and tells.
func examplesOfFindings() map[string]string {
	return map[string]string{
		"hids events": `  hids events --since 1h                 # of the last hour
  hids events -f --module syscheck       # as they come, until Ctrl-C
  hids events --path '/etc/**'           # about files below /etc
  hids events --format json | jq .file.path`,
		"hids rootcheck": `  hids rootcheck                                # run it as a daemon
  hids rootcheck --scan-now                     # every check
  hids rootcheck --scan-now files trojans       # these two
  hids rootcheck --scan-now --host /mnt/image   # a mounted image
  hids rootcheck accept 3f2a9c01d7be --note "our own build"`,
		"hids rootcheck list": `  hids rootcheck list
  hids rootcheck list --format json`,
		"hids rootcheck accept": `  hids rootcheck accept 3f2a9c01d7be --note "our own build of ls"
  hids rootcheck accept --withdraw 3f2a`,
		"hids rootcheck checks": `  hids rootcheck checks`,
		"hids rootcheck policy": `  hids rootcheck policy check ssh.txt`,
		"hids rootcheck policy check": `  hids rootcheck policy check ssh.txt
  hids rootcheck policy check --host /mnt/image ssh.txt`,
		"hids syscheck": `  hids syscheck                        # run it as a daemon
  hids syscheck --scan-now             # scan everything that is configured
  hids syscheck --scan-now /etc /bin   # scan these folders only
  hids syscheck list                   # what differs, as of the last scan
  hids syscheck accept                 # take what differs as it should be`,
		"hids syscheck list": `  hids syscheck list
  hids syscheck list /etc /usr/bin
  hids syscheck list --format json`,
		"hids syscheck accept": `  hids syscheck accept /etc/motd       # this file
  hids syscheck accept /etc            # the folder and all below it
  hids syscheck accept                 # everything`,
		"hids syscheck show": `  hids syscheck show /etc/passwd`,
		"hids syscheck export": `  hids syscheck export --as sha256sum /usr/bin | sha256sum --check --quiet
  hids syscheck export >baseline.json  # a copy for another machine`,
	}
}

// examplesOfRunning are those of everything else.
func examplesOfRunning() map[string]string {
	return map[string]string{
		"hids": `  hids syscheck --scan-now     # make a baseline, later say what differs from it
  hids rootcheck --scan-now    # look for rootkits
  hids run                     # every module, as a daemon
  hids status                  # what runs
  hids events -f               # what is found, as it is found, until Ctrl-C`,
		"hids doctor": `  hids doctor                        # examine everything
  hids doctor permissions sockets    # two checks only
  hids doctor --format json          # for machines`,
		"hids adopt": `  hids adopt             # say what would be done
  hids adopt --apply     # do it
  hids adopt --undo      # put OSSEC's own daemons back`,
		"hids config": `  hids config check
  hids config show
  hids config explain /etc/motd`,
		"hids config check": `  hids config check                       # the files of the installation
  hids config check -c ./ossec.conf       # another one, before it is put in place
  hids config check --format json         # for programs`,
		"hids config show": `  hids config show
  hids config show | grep ^syscheck.ignore`,
		"hids config explain": `  hids config explain /etc/motd
  hids config explain /etc/shadow /etc/mtab`,
		"hids execd": `  hids execd                                     # run it as a daemon
  hids execd list                                # what is blocked, and until when
  hids execd add firewall-drop 192.0.2.7         # block an address by hand
  hids execd delete firewall-drop 192.0.2.7      # and let it go`,
		"hids execd list": `  hids execd list
  hids execd list --format json`,
		"hids execd add": `  hids execd add firewall-drop 192.0.2.7 2001:db8::7
  hids execd add firewall-drop --for 10m 192.0.2.7     # units: s, m, h
  hids execd add disable-account --dry-run mallory`,
		"hids execd delete": `  hids execd delete firewall-drop 192.0.2.7
  hids execd delete --id 12                            # the number that list shows`,
		"hids reload": `  hids config check && hids reload`,
		"hids respond": `  hids respond firewall-drop add - 192.0.2.7
  hids respond firewall-drop delete - 192.0.2.7
  hids respond disable-account add mallory -`,
		"hids run": `  hids run            # as a daemon; returns when every module is ready
  hids run -f         # in the foreground, until Ctrl-C
  hids run -t         # check the configuration and end`,
		"hids status": `  hids status
  hids status --format json
  hids status --metrics
  curl --unix-socket /var/ossec/var/run/hids/supervisor.sock http://hids/metrics`,
		"hids version": `  hids version
  hids version --format json`,
	}
}
