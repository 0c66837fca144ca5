#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs hids from the unpacked archive, as the packages do, or removes it:
#
#   ./install.sh            install, or upgrade
#   ./install.sh --remove   remove; configuration, baseline and logs stay
#   ./install.sh --purge    remove all
set -eu
umask 022
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "install.sh: must be run by root" >&2; exit 1; }
if dpkg-query -W -f '${db:Status-Abbrev}' hids 2>/dev/null | grep -q '^i' || rpm -q hids >/dev/null 2>&1; then
  echo "install.sh: hids is installed from a package; upgrade or remove that" >&2
  exit 1
fi
files=/var/lib/hids/files # what an install.sh has put where

ours() { (cd tree && find . -type f | sed 's/^\.//'); }

# forget LIST: removes files below the places where we put some
forget() {
  while read -r file; do
    case $file in
    */../*) ;;
    /usr/*) rm -f "$file" ;;
    esac
  done <"$1"
}

remove() {
  mkdir -p /var/lib/hids
  sh scripts/preremove remove
  ours >"$files.new"
  [ ! -e "$files" ] || cat "$files" >>"$files.new"
  forget "$files.new"
  rm -f "$files" "$files.new"
  rmdir /usr/share/hids /usr/share/doc/hids 2>/dev/null || true
  sh scripts/postremove remove
}

# put FILE: the program may run, so its file is replaced and not written to.
put() {
  mkdir -p "${1%/*}"
  cp "tree$1" "$1.hids-new"
  mv -f "$1.hids-new" "$1"
}

add() {
  old=
  [ ! -e /usr/bin/hids ] || old=installed
  sh scripts/preinstall install
  ours >"$files.new"
  while read -r file; do put "$file"; done <"$files.new"
  if [ -e "$files" ]; then # what an older version had and this one has not
    grep -vxFf "$files.new" "$files" >"$files.gone" || true
    forget "$files.gone"
    rm -f "$files.gone"
  fi
  mv -f "$files.new" "$files"
  conf=/var/ossec/etc/hids.conf
  if [ ! -e $conf ]; then
    install -o root -g ossec -m 0640 tree/usr/share/hids/hids.conf $conf.hids-new
    mv -f $conf.hids-new $conf
  fi
  sh scripts/postinstall configure "$old"
}

case "${1:-}" in
"") add ;;
--remove) remove ;;
--purge)
  remove
  rm -f /var/ossec/etc/hids.conf
  sh scripts/postremove purge
  ;;
*) echo "usage: ./install.sh [--remove | --purge]" >&2; exit 2 ;;
esac
