# SPDX-License-Identifier: Apache-2.0
# A system that firewalld rules: a real connection is blocked and passes again, in
# both families, by a rule of firewalld's and by the own nftables table beside it,
# and firewalld's reload and restart change nothing of it.
. /root/lib.sh

# The attacker is a namespace with two addresses of each family; it gets a byte
# from port 8080, or not.
cat >/root/serve.py <<'SERVE'
import socket
listener = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"x")
    connection.close()
SERVE
cat >/root/dial.py <<'DIAL'
import socket, sys
source, seconds = sys.argv[1], float(sys.argv[2])
target = "fd99::1" if ":" in source else "10.99.0.1"
try:
    connection = socket.create_connection((target, 8080), timeout=seconds, source_address=(source, 0))
    sys.exit(0 if connection.recv(1) == b"x" else 1)
except OSError:
    sys.exit(1)
DIAL
open_from() { ip netns exec attacker python3 /root/dial.py "$1" 5; }
closed_from() { ! ip netns exec attacker python3 /root/dial.py "$1" 1; }
all_open() { for source in "$@"; do await "a connection from $source" open_from "$source"; done; }
all_blocked() {
  for source in "$@"; do
    closed_from "$source" || fail "$source gets through"
  done
}
rules() { firewall-cmd --list-rich-rules; }
ruled() { rules | grep -qF "\"$1\""; }
no_rules() { [ -z "$(rules)" ]; }

await "firewalld" firewall-cmd --state
ip netns add attacker
ip link add veth0 type veth peer name eth0 netns attacker
ip address add 10.99.0.1/24 dev veth0
ip address add fd99::1/64 dev veth0 nodad
ip link set veth0 up
ip -n attacker link set eth0 up
for host in 2 3; do
  ip -n attacker address add 10.99.0.$host/24 dev eth0
  ip -n attacker address add fd99::$host/64 dev eth0 nodad
done
python3 /root/serve.py &
server=$!
# firewalld lets nobody in of itself.
all_blocked 10.99.0.2 fd99::2
firewall-cmd --permanent --zone=public --add-interface=veth0
firewall-cmd --permanent --zone=public --add-port=8080/tcp
firewall-cmd --reload
all_open 10.99.0.2 fd99::2 10.99.0.3 fd99::3

dpkg -i /root/old/*.deb
await "the service" systemctl --quiet is-active hids
await "execd" hids execd list
echo 'firewalld-drop600 - firewalld-drop.sh - 600' >>/var/ossec/etc/shared/ar.conf
ln -s /usr/bin/hids /var/ossec/active-response/bin/firewalld-drop.sh 2>/dev/null || true

# A rule of firewalld's: two blocks, one is lifted, the other stays.
hids execd add firewalld-drop600 10.99.0.2 fd99::2
await "the rule for 10.99.0.2" ruled 10.99.0.2
await "the rule for fd99::2" ruled fd99::2
all_blocked 10.99.0.2 fd99::2
all_open 10.99.0.3 fd99::3
hids execd add firewalld-drop600 10.99.0.3 fd99::3
await "the rule for 10.99.0.3" ruled 10.99.0.3
await "the rule for fd99::3" ruled fd99::3
all_blocked 10.99.0.2 fd99::2 10.99.0.3 fd99::3
hids execd delete firewalld-drop600 10.99.0.2
hids execd delete firewalld-drop600 fd99::2
all_open 10.99.0.2 fd99::2
all_blocked 10.99.0.3 fd99::3

# Whoever reloads firewalld takes its rules of the moment away: they come back.
firewall-cmd --reload
await "the rule for 10.99.0.3 after a reload" ruled 10.99.0.3
await "the rule for fd99::3 after a reload" ruled fd99::3
all_blocked 10.99.0.3 fd99::3
systemctl restart firewalld
await "firewalld again" firewall-cmd --state
await "the rule for 10.99.0.3 after a restart" ruled 10.99.0.3
await "the rule for fd99::3 after a restart" ruled fd99::3
all_blocked 10.99.0.3 fd99::3
hids execd delete firewalld-drop600 10.99.0.3
hids execd delete firewalld-drop600 fd99::3
await "the rules to go" no_rules

# A block passes again at its time.
hids execd add --for 30s firewalld-drop600 10.99.0.2 fd99::2
await "the short rule for 10.99.0.2" ruled 10.99.0.2
await "the short rule for fd99::2" ruled fd99::2
await "the end of the rules" no_rules
all_open 10.99.0.2 fd99::2
grep -q 'firewalld-drop.sh add - 10.99.0.2 ' /var/ossec/logs/active-responses.log
grep -q 'firewalld-drop.sh delete - 10.99.0.2 ' /var/ossec/logs/active-responses.log

# firewall-drop takes the own table, and firewalld leaves it alone.
hids execd add firewall-drop600 10.99.0.2 fd99::2
await "the block of 10.99.0.2" closed_from 10.99.0.2
await "the block of fd99::2" closed_from fd99::2
no_rules
firewall-cmd --reload
all_blocked 10.99.0.2 fd99::2
all_open 10.99.0.3 fd99::3

# What is blocked goes with the package.
hids execd add firewalld-drop600 10.99.0.3
await "the last rule" ruled 10.99.0.3
dpkg -r hids
no_rules
all_open 10.99.0.2 fd99::2 10.99.0.3 fd99::3
kill $server
