#!/bin/bash
# Process 1 of a host of kind userns: makes the tree its root and becomes sshd.
# Runs in mount, pid, uts, ipc and network namespaces of its own.
set -euo pipefail
name=$1 root=$2
# shellcheck source=../services.sh
. "${BASH_SOURCE[0]%/*}/../services.sh"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

hostname "$name"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys" || true # refused in some kernels; nothing here needs it
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"; done
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/run/sshd" "$root/run/lock"
cd "$root"
pivot_root . .
umount -l .
cd /
unset FLEET_TESTBED_INSIDE FLEET_TESTBED_STATE FLEET_TESTBED_CACHE
export HOME=/root
services_start
exec /usr/sbin/sshd -D -e
