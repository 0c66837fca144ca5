# SPDX-License-Identifier: Apache-2.0
# The life of a package under systemd: installed, used, upgraded while it blocks an
# address, killed, downgraded, removed. deb.sh and rpm.sh say how: add VERSION,
# intact, remove.

events() { hids events --format json "$@"; }
sees() { events --path "$1" | grep -q "$2"; }
blocked() { nft list table inet hids 2>/dev/null | grep -qF "$1"; }
main_pid() { systemctl show -P MainPID hids; }
other_pid() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ] && systemctl --quiet is-active hids; }
version_runs() { [ "$(readlink "/proc/$(main_pid)/exe")" = /usr/bin/hids ] && hids version | grep -qF "$1"; }
module_pid() { pgrep -x "hids-$1"; }
other_module() { pid=$(module_pid "$1") && [ "$pid" != "$2" ] && hids status; }

# Installed, it runs.
began=$(date +%s%N)
since() { echo "measured: $1 $((($(date +%s%N) - began) / 1000000)) ms after the installation began"; }
add old
await "the service" systemctl --quiet is-active hids
since "the service was ready"
systemctl --quiet is-enabled hids
tree_is_right
hids status
for module in execd syscheckd rootcheck; do
  await "$module" module_pid "$module"
done
[ "$(ps -o user:20= -p "$(module_pid syscheckd)" | tr -d ' ')" = hids-syscheck ]
[ "$(ps -o user:20= -p "$(module_pid rootcheck)" | tr -d ' ')" = hids-rootcheck ]
intact

# A changed file is told.
await "the baseline of /etc/passwd" hids syscheck show /etc/passwd
since "/etc/passwd was in the baseline"
useradd -M intruder
await "the event of /etc/passwd" sees /etc/passwd intruder
since "its change was told"

# All is well, and the numbers of all modules are there.
await "a doctor without a word" hids doctor
for module in execd syscheckd rootcheck; do
  hids status --metrics | grep -x "hids_module_answers{module=\"$module\"} 1"
done
hids status --metrics | grep '^hids_build_info{process="hids",version="1.0.0",'

# What is wrong is found, and what the doctor says to type mends it.
mends() { # CHECK LEVEL TEXT
  hids doctor "$1" >/tmp/doctor || [ $? = 1 ]
  grep -A1 "^$2 *$1: .*$3" /tmp/doctor >/tmp/found || { cat /tmp/doctor; fail "$1: the doctor does not see it"; }
  sed -n 's/^ *hint: //p' /tmp/found >/tmp/hint
  cat /tmp/hint
  sh -e /tmp/hint
  hids doctor "$1" >/tmp/doctor || [ $? = 1 ]
  not grep "$3" /tmp/doctor
}
chmod 0666 /var/ossec/etc/hids.conf
mends permissions problem 'everybody can write to /var/ossec/etc/hids.conf'
chmod 0640 /var/ossec/etc/hids.conf
chown nobody /var/ossec/logs/hids/events.json
mends permissions problem 'events.json belongs to nobody'
chmod 0757 /var/ossec/active-response
mends permissions problem 'everybody can write to /var/ossec/active-response'
chmod 0550 /var/ossec/active-response
systemctl disable hids
mends service warning 'will not after a boot'
systemctl stop hids
mends service problem 'no daemon runs in /var/ossec'
await "the service again" hids status
touch /var/ossec/queue/hids/syscheckd/foreign
mends state problem 'foreign and 0 more'
rm /var/ossec/queue/hids/syscheckd/foreign

# A reload is taken, and refused with a fault.
systemctl reload hids
cp /var/ossec/etc/ossec.conf /root/ossec.conf
echo '<broken' >>/var/ossec/etc/ossec.conf
not systemctl reload hids
cp /root/ossec.conf /var/ossec/etc/ossec.conf
systemctl reload hids
systemctl --quiet is-active hids

# A peer of execq connects once, as agentd does, and goes on sending whatever
# happens to hids. It ends with 0 when told to, and at the first error with 1.
cat >/root/peer.pl <<'PEER'
use strict; use Socket;
my $stop = 0; $SIG{TERM} = sub { $stop = 1 };
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
connect($s, sockaddr_un("/var/ossec/queue/alerts/execq")) or die "connect: $!";
while (!$stop) {
  my $sent = send($s, "peer-talks0 - 192.0.2.1 1445000000.1 5712 srv->/var/log/auth.log -\0", 0);
  die "send: $!" if !defined $sent && !$!{EINTR};
  if (open(my $f, "<", "/root/request")) {
    my $request = <$f>;
    unlink "/root/request";
    defined send($s, "$request\0", 0) or die "send: $!";
  }
  select(undef, undef, undef, 0.2);
}
exit 0;
PEER
perl -e 'use Errno;' # %! needs it
perl /root/peer.pl >/root/peer.log 2>&1 &
peer=$!

request() {
  echo "$1" >/root/request.new
  mv /root/request.new /root/request
}

# It blocks an address, for two minutes.
sed -i 's/^firewall-drop600 .*/&\nfirewall-drop120 - firewall-drop.sh - 120/' /var/ossec/etc/shared/ar.conf
systemctl reload hids
request "firewall-drop120 - 203.0.113.7 1445000000.2 5712 srv->/var/log/auth.log -"
await "the block" blocked 203.0.113.7
started=$(date +%s)

# An upgrade meanwhile: the block goes on, and the peer sees no error.
before=$(main_pid)
add new
await "the new version" other_pid "$before"
await "the new version to run" version_runs 1.0.1
await "the new version's answer" hids status
blocked 203.0.113.7 || [ $(($(date +%s) - started)) -gt 118 ] || fail "the block was lost in the upgrade"
kill -0 $peer || fail "the peer of execq has ended: $(cat /root/peer.log)"
request "firewall-drop600 - 203.0.113.8 1445000000.3 5712 srv->/var/log/auth.log -"
await "a block by the old connection" blocked 203.0.113.8

# Modules that are killed are started again, with their blocks.
for module in execd syscheckd rootcheck; do
  pid=$(module_pid "$module")
  kill -9 "$pid"
  await "another $module" other_module "$module" "$pid"
done
await "the block after the death of execd" blocked 203.0.113.8

# The first block ends, and not too early.
await "the end of the block" not blocked 203.0.113.7
await "the line of the end" grep -q 'firewall-drop.sh delete .*203.0.113.7' /var/ossec/logs/active-responses.log
[ $(($(date +%s) - started)) -ge 118 ] || fail "the block ended early"

# A supervisor that hangs is replaced: the watchdog is on.
[ "$(systemctl show -P WatchdogUSec hids)" = 2min ]

# Back to the old version.
before=$(main_pid)
add old
await "the old version" other_pid "$before"
await "the old version to run" version_runs 1.0.0
kill -0 $peer || fail "the peer of execq has ended: $(cat /root/peer.log)"
kill -TERM $peer
wait $peer || fail "the peer of execq saw an error: $(cat /root/peer.log)"

# Removed, it stops and unblocks; configuration, baseline and logs stay.
remove
not systemctl --quiet is-active hids
await "the processes to end" not pgrep -x 'hids|hids-execd|hids-syscheckd|hids-rootcheck'
not blocked 203.0.113.8
for kept in etc/ossec.conf queue/hids/syscheckd/baseline.db logs/hids/events.json logs/ossec.log; do
  test -e "/var/ossec/$kept"
done
