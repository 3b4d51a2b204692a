# shellcheck shell=bash
# The trees that hosts start from: built once, kept in the cache, stacked by overlayfs.
#
#   debian-KEY    packages, made by mmdebstrap
#   ground-KEY    accounts, sudo, sshd (`seed base`)
#   content-KEY   what the gateways carry (`seed content`)
#
# KEY is a digest of what the layer is made from, so that a changed seed builds a new one.
# A host's own layer lies in the state folder; `reset` throws it away.

layers_suite=bookworm
layers_version=1 # counts up when the base tree is made in another way
layers_packages=openssh-server,sudo,rsync,git,iproute2,procps,acl,attr,zstd
layers_systemd=systemd,systemd-sysv,dbus,libpam-systemd

# Root's trees and those of a user namespace have different owners on disk.
layers_dir() { echo "$cache/$kind"; }

layers_key() { cat "$@" | sha256sum | cut -c 1-12; }

# Sets debian, ground and content to the folders of the three layers.
layers_name() {
  local dir debian_key seed_key
  dir=$(layers_dir)
  debian_key=$(layers_key <(echo "$layers_version $layers_suite" && layers_list))
  seed_key=$(layers_key "$bed_dir"/seed "$bed_dir"/seed-*.awk)
  debian=$dir/debian-$debian_key
  ground=$dir/ground-$debian_key-$seed_key
  content=$dir/content-$debian_key-$seed_key
}

layers_list() {
  case $kind in nspawn) echo "$layers_packages,$layers_systemd" ;; *) echo "$layers_packages" ;; esac
}

layers_build() {
  local dir started=$SECONDS
  layers_name
  dir=$(layers_dir)
  mkdir -p "$dir"
  exec 8>"$dir.lock" # another instance may be building the same
  flock 8
  [ -d "$debian" ] || layers_debian "$debian"
  [ -d "$ground" ] || layers_seed "$ground" "$debian" base
  [ -d "$content" ] || layers_seed "$content" "$ground:$debian" content
  layers_prune
  exec 8>&-
  [ $((SECONDS - started)) -lt 2 ] || say "trees are ready after $((SECONDS - started)) s"
}

# Forgets layers of earlier seeds, unless a host of any instance still stands on them.
# From inside a user namespace other instances' mounts can't be seen, so there they stay.
layers_prune() {
  local layer
  [ "$kind" != userns ] || return 0
  for layer in "$(layers_dir)"/*-*; do
    case $layer in "$debian" | "$ground" | "$content") continue ;; esac
    grep -qsF "$layer" /proc/[0-9]*/mounts || rm -rf "$layer"
  done
}

layers_debian() { # TARGET
  rm -rf "$1.part"
  if [ "$kind" = userns ]; then
    # Made outside, where there is a network, and unpacked here, where there are owners.
    mkdir "$1.part"
    tar -C "$1.part" --exclude='./dev/*' -xpf "$1.tar"
    rm -f "$1.tar"
  else
    say "building the base tree (once, about a minute)"
    layers_bootstrap root "$1.part"
  fi
  # Timers of the distribution would write on the hosts while a test watches them.
  rm -rf "$1.part"/etc/systemd/system/timers.target.wants "$1.part"/etc/ssh/ssh_host_* \
    "$1.part"/etc/resolv.conf "$1.part"/dev/*
  : >"$1.part/etc/machine-id"
  mv "$1.part" "$1"
}

layers_bootstrap() { # MODE TARGET
  mmdebstrap --quiet --mode="$1" --variant=minbase --include="$(layers_list)" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$layers_suite" "$2" ${FLEET_TESTBED_MIRROR:+"$FLEET_TESTBED_MIRROR"} </dev/null 8>&- 9>&- ||
    die "mmdebstrap could not build the base tree" "It downloads packages with apt: is the package archive reachable? FLEET_TESTBED_MIRROR names another one."
}

layers_seed() { # TARGET LOWERS STEP
  local part=$1.part
  umount "$part/root" 2>/dev/null || true
  rm -rf "$part"
  mkdir -p "$part/upper" "$part/work" "$part/root"
  layers_mount "$2" "$part" || die "overlayfs can't be mounted under $part" "Put FLEET_TESTBED_CACHE on a local ext4, xfs or btrfs."
  "$bed_dir/seed" "$3" "$part/root"
  umount "$part/root"
  mv "$part/upper" "$1"
  rm -rf "$part"
}

layers_mount() { # LOWERS DIR: mounts at DIR/root, writes into DIR/upper
  local option
  # In a user namespace the overlay's own attributes need names that users may write.
  option=$([ "$kind" = userns ] && echo userxattr || echo xino=on)
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work,$option" "$2/root"
}

# A fresh tree for HOST at hosts/HOST/root.
tree_mount() { # HOST
  local dir=$state/hosts/$1 lowers
  lowers=$content:$ground:$debian
  [ "$1" != new-vm ] || lowers=$ground:$debian
  mkdir -p "$dir/upper" "$dir/work" "$dir/root"
  layers_mount "$lowers" "$dir" || die "overlayfs can't be mounted under $dir" "Put FLEET_TESTBED_STATE on a local ext4, xfs or btrfs."
}

tree_unmount() { # HOST
  local dir=$state/hosts/$1
  if mountpoint -q "$dir/root"; then umount "$dir/root" || umount -l "$dir/root"; fi
  rm -rf "$dir/upper" "$dir/work" "$dir/root"
}
