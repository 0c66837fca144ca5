# SPDX-License-Identifier: Apache-2.0
# An OSSEC agent for the scripts beside it: its tree, a control script that
# behaves as OSSEC's, and stand-ins for its daemons.
groupadd -r ossec
useradd -r -g ossec -d /var/ossec -s /usr/sbin/nologin ossec
for dir in bin etc/shared active-response/bin logs queue/alerts queue/ossec var/run; do
  install -d -o root -g ossec -m 0550 "/var/ossec/$dir"
done
chown ossec:ossec /var/ossec/logs
chmod 0770 /var/ossec/queue/alerts /var/ossec/etc/shared
# The daemons stand in for OSSEC's: a pid file, and they end when told to.
cat >/var/ossec/bin/ossec-execd <<'DAEMON'
#!/bin/sh
[ "$1" = -t ] && exit 0
[ "$1" = stay ] || { "$0" stay >/dev/null 2>&1 & exit 0; }
pid=/var/ossec/var/run/${0##*/}-$$.pid
echo $$ >"$pid"
trap 'rm -f "$pid"; exit 1' TERM
while :; do sleep 0.2; done
DAEMON
cp /var/ossec/bin/ossec-execd /var/ossec/bin/ossec-syscheckd
# The control script behaves as OSSEC's do towards their daemons. With the file
# "hasty" it is that of 2.8.3, which waits for nobody: it takes the pid files away
# and starts anew a second later. Without, it is that of 4.3, which waits for 45
# seconds, then kills. A reload leaves execd alone, so that blocks survive it.
cat >/var/ossec/bin/ossec-control <<'CONTROL'
#!/bin/sh
all="ossec-execd ossec-syscheckd"
running() {
  for file in /var/ossec/var/run/$1*.pid; do
    [ -f "$file" ] || continue
    n=$(cat "$file")
    if ps -p "$n" | grep -q ossec && kill -0 "$n" 2>/dev/null; then
      return 0
    fi
    echo "$1: process $n is not there, its file goes"
    rm -f "$file"
  done
  return 1
}
lock() {
  until mkdir /var/ossec/var/start-script-lock 2>/dev/null; do sleep 1; done
  trap 'rm -rf /var/ossec/var/start-script-lock' EXIT
}
start() {
  for d in $1; do
    running $d || /var/ossec/bin/$d || { echo "$d did not start"; exit 1; }
  done
}
end() {
  n=$(cat /var/ossec/var/run/$1*.pid)
  kill $n
  if [ ! -e /var/ossec/hasty ]; then
    i=0
    while kill -0 $n 2>/dev/null && [ $i -lt 450 ]; do sleep 0.1; i=$((i + 1)); done
    ! kill -9 $n 2>/dev/null || echo "$1 had to be killed"
  fi
  rm -f /var/ossec/var/run/$1*.pid
}
stop() {
  for d in $1; do
    running $d && end $d
  done
  [ -e /var/ossec/hasty ] || rm -f /var/ossec/queue/ossec/queue
}
lock
case $1 in
start) start "$all" ;;
stop) stop "$all" ;;
restart) stop "$all"; sleep 1; start "$all" ;;
reload) stop ossec-syscheckd; start ossec-syscheckd ;;
status) running ossec-execd && running ossec-syscheckd ;;
esac
CONTROL
printf '#!/bin/sh\n' >/var/ossec/active-response/bin/firewall-drop.sh
for name in bin/ossec-control bin/ossec-execd bin/ossec-syscheckd active-response/bin/firewall-drop.sh; do
  chown root:ossec "/var/ossec/$name"
  chmod 0550 "/var/ossec/$name"
done
chmod 0770 /var/ossec/var/run
echo '<ossec_config><syscheck><directories check_all="yes">/etc</directories></syscheck><client><server-ip>192.0.2.1</server-ip></client></ossec_config>' >/var/ossec/etc/ossec.conf
printf 'DIRECTORY="/var/ossec"\nVERSION="v2.8.3"\nTYPE="agent"\n' >/etc/ossec-init.conf
