# SPDX-License-Identifier: Apache-2.0
# The archive with its install.sh.
. /root/lib.sh

for version in old new; do
  mkdir "/root/$version/unpacked"
  tar -xzf /root/$version/*.tar.gz -C "/root/$version/unpacked" --strip-components=1
done
/root/old/unpacked/install.sh
tree_is_right
hids version | grep -F 1.0.0
man=/usr/share/man/man1/hids.1.gz
test -e $man
echo '<!-- mine -->' >>/var/ossec/etc/hids.conf
/root/new/unpacked/install.sh
hids version | grep -F 1.0.1
grep mine /var/ossec/etc/hids.conf

/root/new/unpacked/install.sh --remove
not test -e /usr/bin/hids
not test -e $man
grep mine /var/ossec/etc/hids.conf
/root/new/unpacked/install.sh
/root/new/unpacked/install.sh --purge
not test -e /var/ossec
not test -e /var/lib/hids
