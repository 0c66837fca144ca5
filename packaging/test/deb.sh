# SPDX-License-Identifier: Apache-2.0
# The deb under systemd, to the end.
. /root/lib.sh
add() { dpkg -i /root/$1/*.deb; }
intact() { dpkg -V hids; }
remove() { dpkg -r hids; }
. /root/life.sh
test -e /var/ossec/etc/hids.conf # which rpm keeps only when it was changed

# Purged, nothing stays but the group and the users.
dpkg -P hids
not test -e /var/ossec
not test -e /var/lib/hids
not test -L /etc/systemd/system/multi-user.target.wants/hids.service
id hids-syscheck
