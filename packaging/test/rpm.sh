# SPDX-License-Identifier: Apache-2.0
# The rpm in a system without a running systemd. Debian does not know the names
# of what it depends on, hence --nodeps.
. /root/lib.sh

rpm -i --nodeps /root/old/*.rpm
hids version
tree_is_right
rpm -V --nodeps hids
rpm -q --changelog hids | grep -F "File integrity"
test -e /etc/systemd/system/multi-user.target.wants/hids.service

echo '<!-- mine -->' >>/var/ossec/etc/hids.conf
rpm -U --nodeps /root/new/*.rpm
hids version | grep -F 1.0.1
grep mine /var/ossec/etc/hids.conf
rpm -U --nodeps --oldpackage /root/old/*.rpm
hids version | grep -F 1.0.0

rpm -e hids
not test -e /usr/bin/hids
not test -e /usr/lib/systemd/system/hids.service
not test -L /etc/systemd/system/multi-user.target.wants/hids.service
test -e /var/ossec/etc/ossec.conf
grep mine /var/ossec/etc/hids.conf.rpmsave
id hids-syscheck
