# SPDX-License-Identifier: Apache-2.0
# The rpm under systemd. Debian does not know the names of what it depends on,
# hence --nodeps.
. /root/lib.sh
add() { rpm -U --nodeps --oldpackage /root/$1/*.rpm; }
intact() { rpm -V --nodeps hids; }
remove() { rpm -e hids; }
. /root/life.sh

# rpm has no purge: what there was stays, and nothing starts.
not test -L /etc/systemd/system/multi-user.target.wants/hids.service
not test -e /usr/bin/hids
test -e /var/lib/hids/made
id hids-syscheck
