#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs hids from the unpacked archive, as the packages do, or removes it:
#
#   ./install.sh            install, or upgrade
#   ./install.sh --remove   remove; configuration, baseline and logs stay
#   ./install.sh --purge    remove all
set -eu
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "install.sh: must be run by root" >&2; exit 1; }

remove() {
  sh scripts/preremove remove
  (cd tree && find . -type f) | while read -r file; do rm -f "/$file"; done
  rmdir /usr/share/hids /usr/share/doc/hids 2>/dev/null || true
  sh scripts/postremove remove
}

add() {
  old=
  [ ! -e /usr/bin/hids ] || old=installed
  sh scripts/preinstall install
  (cd tree && find . -type f) | while read -r file; do
    mkdir -p "/${file%/*}"
    # The program may run: its file is replaced and not written to.
    cp "tree/$file" "/$file.new"
    mv -f "/$file.new" "/$file"
  done
  if [ ! -e /var/ossec/etc/hids.conf ]; then
    install -o root -g ossec -m 0640 tree/usr/share/hids/hids.conf /var/ossec/etc/hids.conf
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
