#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs docrun in a copy of this system that nobody else sees and that is gone
# afterwards: machine.sh PROGRAMS TREE CLASS PAGE. Called in namespaces of its own
# (mounts, processes, network, host name), as root.
#
# PROGRAMS has hids and docrun, TREE the source, of which a clone is made.
set -euo pipefail
programs=$1 tree=$2 class=$3 page=$4

mount -t tmpfs -o mode=0755 copy "$programs/copy"
mkdir "$programs/copy/"{upper,work,root}
root=$programs/copy/root
mount -t overlay -o "lowerdir=/,upperdir=$programs/copy/upper,workdir=$programs/copy/work" root "$root"
hostname web1
ip link set lo up

install "$programs/hids" "$programs/docrun" "$root/usr/local/bin/"
cp "$page" "$root/page.md"
rm -rf "$root/var/ossec" "$root/home/user"
mount -t tmpfs tmpfs "$root/var/cache" # systems that tests keep there would be looked through
chroot "$root" useradd --create-home --shell /bin/bash user
mkdir "$root/home/user/hids"
(cd "$tree" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$root/home/user/hids")
chroot "$root" chown -R user: /home/user

# The plain user builds with what was fetched and built before.
if [ -n "${GOCACHE:-}" ]; then
  for dir in "$GOCACHE" "$GOMODCACHE"; do
    parent=$dir
    until [ "$parent" = / ]; do
      chmod a+rx "$root$parent"
      parent=$(dirname "$parent")
    done
  done
  chmod a+rwx "$root$GOCACHE" "$root$GOCACHE"/??
fi

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# No exec: this shell is the first process here and takes care of orphans.
chroot "$root" env -C /root "PATH=$PATH:/usr/sbin:/sbin" docrun "$class" /page.md
