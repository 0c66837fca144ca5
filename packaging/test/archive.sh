# SPDX-License-Identifier: Apache-2.0
# The archive with its install.sh.
. /root/lib.sh

for version in old new; do
  mkdir "/root/$version/unpacked"
  tar -xzf /root/$version/*.tar.gz -C "/root/$version/unpacked" --strip-components=1
done
# The mask of whoever installs it does not count.
(umask 077; /root/old/unpacked/install.sh)
tree_is_right
owned /usr/bin/hids '755 root:root'
owned /usr/share/hids/ossec.conf '644 root:root'
hids version | grep -F 1.0.0
man=/usr/share/man/man1/hids.1.gz
test -e $man
echo '<!-- mine -->' >>/var/ossec/etc/hids.conf
# An older version's file that the newer one has not goes; others stay.
echo /usr/share/hids/older >>/var/lib/hids/files
touch /usr/share/hids/older /usr/share/hids/foreign
/root/new/unpacked/install.sh
not test -e /usr/share/hids/older
test -e /usr/share/hids/foreign
rm /usr/share/hids/foreign
# It does nothing twice, and finishes what was interrupted.
/root/new/unpacked/install.sh
[ -z "$(find /usr /var/ossec -name '*.hids-new')" ]
[ "$(sort /var/lib/hids/made | uniq -d)" = "" ]
chown root:root /var/ossec/etc/shared
chmod 0700 /var/ossec/etc/shared
/root/new/unpacked/install.sh
owned /var/ossec/etc/shared '750 root:ossec'
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

# Nothing is mixed with a package.
dpkg -i /root/old/*.deb
not /root/new/unpacked/install.sh
dpkg -P hids
