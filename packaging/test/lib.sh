# SPDX-License-Identifier: Apache-2.0
# For the scripts beside it, which run inside a system under test.
set -eux

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# await WHAT CMD...: until CMD succeeds. Five minutes are a ceiling for a busy
# machine and no expectation.
await() {
  what=$1
  shift
  set +x
  tries=0
  until "$@" >/tmp/await 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 1500 ]; then
      cat /tmp/await >&2
      [ ! -e /var/ossec/logs/ossec.log ] || cat /var/ossec/logs/ossec.log >&2
      fail "in vain: $what"
    fi
    sleep 0.2
  done
  set -x
}

not() { ! "$@"; }

# owned PATH WANT: mode, owner and group
owned() {
  [ "$(stat -c '%a %U:%G' "$1")" = "$2" ] || fail "$1 is $(stat -c '%a %U:%G' "$1"), want $2"
}

tree_is_right() {
  owned /var/ossec '550 root:ossec'
  owned /var/ossec/etc '550 root:ossec'
  owned /var/ossec/etc/hids.conf '640 root:ossec'
  owned /var/ossec/etc/ossec.conf '640 root:ossec'
  owned /var/ossec/etc/shared/ar.conf '640 root:ossec'
  owned /var/ossec/active-response/bin '550 root:ossec'
  owned /var/ossec/logs '750 root:ossec'
  owned /var/ossec/queue '550 root:ossec'
  owned /var/ossec/queue/alerts '770 root:ossec'
  owned /var/ossec/var/run '770 root:ossec'
  [ "$(id -gn hids-syscheck)" = ossec ]
  [ "$(id -gn hids-rootcheck)" = ossec ]
  [ "$(readlink /var/ossec/active-response/bin/firewall-drop.sh)" = /usr/bin/hids ]
  hids config check
}
