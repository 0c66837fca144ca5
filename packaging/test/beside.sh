# SPDX-License-Identifier: Apache-2.0
# The deb beside an OSSEC: nothing of it is changed until hids adopts it, and all
# is as it was in the end.
. /root/lib.sh

. /root/ossec.sh

# look: everything but the file that is ours
look() {
  find /var/ossec -type d -printf '%p %m %u %g\n' | sort
  find /var/ossec ! -type d ! -name hids.conf -printf '%p %m %u %g %l %T@\n' | sort
  find /var/ossec -type f ! -name hids.conf -exec sha256sum {} + | sort
}
look >/tmp/before
dpkg -i /root/old/*.deb | tee /tmp/output
look | diff /tmp/before -
owned /var/ossec/etc/hids.conf '640 root:ossec'
grep 'nothing of it was changed' /tmp/output
not test -L /etc/systemd/system/multi-user.target.wants/hids.service
grep 'hids adopt' /tmp/output
dpkg -i /root/new/*.deb
look | diff /tmp/before -

# What would be done, and nothing is.
hids adopt >/tmp/output
grep '^OSSEC v2.8.3 agent in /var/ossec$' /tmp/output
grep 'the manager is sent 6 sums of a file' /tmp/output
look | diff /tmp/before -
# A configuration with a fault is not taken over.
cp -p /var/ossec/etc/ossec.conf /root/ossec.conf
echo '<broken' >>/var/ossec/etc/ossec.conf
not hids adopt --apply
cp -p /root/ossec.conf /var/ossec/etc/ossec.conf
look | diff /tmp/before -

# The control script starts OSSEC's own, then after --apply ours.
control=/var/ossec/bin/ossec-control
$control start
await "OSSEC's own daemons" $control status
hids adopt --apply
hids adopt --apply | grep 'nothing is to be done'
[ "$(readlink /var/ossec/bin/ossec-execd)" = /usr/bin/hids ]
[ "$(readlink /var/ossec/bin/ossec-syscheckd)" = /usr/bin/hids ]
$control restart
$control status
hids status
pid_of() { cat /var/ossec/var/run/$1-*.pid; }
hids execd add --for 30m nftables-drop 198.51.100.7
blocked() { hids execd list | grep -F 198.51.100.7; }
blocked
# A reload replaces syscheckd and leaves execd, with its blocks, alone.
execd=$(pid_of ossec-execd)
syscheckd=$(pid_of ossec-syscheckd)
$control reload
$control status
[ "$(pid_of ossec-execd)" = "$execd" ]
[ "$(pid_of ossec-syscheckd)" != "$syscheckd" ]
blocked
# One that waits for nobody starts the next while the last still ends.
touch /var/ossec/hasty
for _ in 1 2 3; do
  $control restart >/tmp/output
  await "the daemons after a hasty restart" $control status
  not grep 'is not there' /tmp/output
done
$control stop
not $control status
$control start
$control status
rm /var/ossec/hasty
$control stop >/tmp/output
not grep 'had to be killed' /tmp/output
not pgrep -x 'ossec-execd|ossec-syscheckd|ossec-rootcheck'
$control start
$control status
hids doctor adoption beside service modules permissions responses state
[ "$(readlink "/proc/$(cat /var/ossec/var/run/ossec-execd-*.pid)/exe")" = /usr/bin/hids ]
test -S /var/ossec/queue/alerts/execq

# To remove the package puts OSSEC's own back: at no time is there no daemon.
dpkg -P hids
$control restart
await "OSSEC's own daemons again" $control status
$control stop
rm -rf /var/ossec/logs/*
look | grep -v "/logs\|/var/run\|/queue" >/tmp/after
grep -v "/logs\|/var/run\|/queue" /tmp/before | diff - /tmp/after
not test -e /var/ossec/queue/hids
not test -e /var/ossec/etc/hids.conf
