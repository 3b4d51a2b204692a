# shellcheck shell=bash
# The trees that hosts start from: built once, kept in the cache, stacked by overlayfs.
#
#   debian-SUITE-KEY    packages, made by mmdebstrap
#   ground-SUITE-KEY    accounts, sudo, sshd, an empty database server (`seed base`)
#   content-SUITE-KEY   what the gateways carry (`seed content`)
#
# KEY is a digest of what the layer is made from, so that a changed seed builds a new one.
# prod-vm and dev-vm are hosts of the old suite, new-vm is one of the new suite. A host's own
# layer lies in the state folder; `reset` throws it away.

layers_old=bullseye # the last one with Asterisk
layers_new=bookworm
layers_version=2 # counts up when the base trees are made in another way
layers_packages=openssh-server,sudo,rsync,git,iproute2,procps,acl,attr,zstd,cron,postgresql,python3,python3-pip
layers_odd=tcsh,csh,zsh,fish,mksh,dropbear-bin # login shells and a server that few hosts have
layers_systemd=systemd,systemd-sysv,dbus,libpam-systemd

# Root's trees and those of a user namespace have different owners on disk.
layers_dir() { echo "$cache/$kind"; }

layers_key() { cat "$@" | sha256sum | cut -c 1-12; }

layers_seed_key() { layers_key "$bed_dir"/seed "$bed_dir"/seed-*; }

# Sets suite, debian, ground and content: the three layers of a release.
layers_name() { # old|new
  local dir debian_key seed_key
  dir=$(layers_dir)
  case $1 in new) suite=$layers_new ;; *) suite=${old_suite:-$layers_old} ;; esac
  debian_key=$suite-$(layers_key <(echo "$layers_version $suite" && layers_list "$suite"))
  seed_key=$(layers_seed_key)
  debian=$dir/debian-$debian_key
  ground=$dir/ground-$debian_key-$seed_key
  content=$dir/content-$debian_key-$seed_key
}

layers_list() { # SUITE
  local list=$layers_packages
  [ "$kind" != nspawn ] || list=$list,$layers_systemd
  [ "$1" != "$layers_old" ] || list=$list,asterisk
  [ "$1" != "$layers_new" ] || list=$list,$layers_odd
  echo "$list"
}

layers_build() {
  local dir started=$SECONDS release layer keep=' '
  dir=$(layers_dir)
  mkdir -p "$dir"
  exec 8>"$dir.lock" # another instance may be building the same
  flock 8
  [ "$kind" = userns ] || layers_fetch # a user namespace has no network: it was done outside
  for release in new old; do
    layers_name $release
    [ -d "$debian" ] || layers_debian "$debian"
    [ -d "$ground" ] || layers_seed "$ground" "$debian" base
    [ $release = new ] || [ -d "$content" ] || layers_seed "$content" "$ground:$debian" content
    for layer in "$debian" "$ground" "$content"; do
      keep="$keep$layer "
      [ ! -d "$layer" ] || : >"$layer.used"
    done
  done
  layers_prune "$keep"
  exec 8>&-
  [ $((SECONDS - started)) -lt 2 ] || say "trees are ready after $((SECONDS - started)) s"
}

# Forgets layers of earlier seeds, unless a host of any instance is still mounted on them, or another
# checkout, with another seed, used them within two days.
# From inside a user namespace other instances' mounts can't be seen, so there they stay.
layers_prune() { # FOLDERS TO KEEP, each between blanks
  local layer
  [ "$kind" != userns ] || return 0
  for layer in "$(layers_dir)"/*-*; do
    case $1 in *" ${layer%.used} "*) continue ;; esac
    [ -z "$(find "${layer%.used}.used" -mmin -2880 2>/dev/null)" ] || continue
    # The lock is ours, so nobody is at work on what an end in the middle left.
    case $layer in *.part) umount -R "$layer/root" 2>/dev/null || true ;; esac
    grep -qsF "$layer" /proc/[0-9]*/mounts || rm -rf "$layer"
  done
}

# Fetches the base trees that are missing, both at once. Where no archive has the older
# release, its hosts become hosts of the newer one, without Asterisk, and that is said.
layers_fetch() {
  local new_job='' old_job='' log
  log=$(layers_dir)/$layers_old.log
  layers_name new
  if ! layers_there; then
    say "building the base trees (once, a minute or two)"
    layers_bootstrap "$layers_new" "$debian" ${FLEET_TESTBED_MIRROR:+"$FLEET_TESTBED_MIRROR"} &
    new_job=$!
  fi
  if [ "$old_suite" != "$layers_new" ]; then
    layers_name old
    if ! layers_there; then
      [ -n "$new_job" ] || say "building the base tree of $layers_old (once, a minute or two)"
      layers_bootstrap_old "$debian" >"$log" 2>&1 &
      old_job=$!
    fi
  fi
  if [ -n "$new_job" ] && ! wait "$new_job"; then
    [ -z "$old_job" ] || wait "$old_job" || true
    die "mmdebstrap could not build the base tree" "It downloads packages with apt: is the package archive reachable? FLEET_TESTBED_MIRROR names another one."
  fi
  if [ -n "$old_job" ] && ! wait "$old_job"; then
    say "NO OLDER SYSTEM: Debian $layers_old could not be had ($(grep -m 1 -iE 'could not|404|not found|^E:' "$log" | cut -c 1-160))"
    say "prod-vm and dev-vm become $layers_new too, without Asterisk; its log: $log"
    say "FLEET_TESTBED_OLD_MIRROR names an archive that has $layers_old"
    old_suite=$layers_new
  fi
  old_suite=${old_suite:-$layers_old}
}

layers_there() { [ -d "$debian" ] || { [ "$kind" = userns ] && [ -e "$debian.tar" ]; }; }

# Capabilities that come with the older release, and whether this machine has it.
layers_gained() { [ "$old_suite" = "$layers_new" ] || echo asterisk old-release; }
layers_lost() { [ "$old_suite" != "$layers_new" ] || echo asterisk old-release; }

layers_lost_why() {
  [ "$old_suite" != "$layers_new" ] ||
    echo "asterisk and old-release: no package archive had Debian $layers_old, so all hosts are $layers_new; FLEET_TESTBED_OLD_MIRROR names another archive"
}

# An old release moves from the mirrors to the archive, and what says that its lists are
# fresh runs out; its signatures stay.
layers_bootstrap_old() { # TARGET
  if [ -n "${FLEET_TESTBED_OLD_MIRROR:-}" ]; then
    layers_bootstrap "$layers_old" "$1" "$FLEET_TESTBED_OLD_MIRROR"
  else
    layers_bootstrap "$layers_old" "$1" ${FLEET_TESTBED_MIRROR:+"$FLEET_TESTBED_MIRROR"} ||
      layers_bootstrap "$layers_old" "$1" http://archive.debian.org/debian
  fi
}

# Makes TARGET.part, or TARGET.tar for a user namespace to unpack.
layers_bootstrap() { # SUITE TARGET [MIRROR]
  local name=$1 into=$2.part mode=root
  [ "$kind" != userns ] || { mode=unshare && into=$2.part.tar; }
  rm -rf "$into"
  # A database needs no compiler: its half of LLVM is a hundred megabytes.
  # shellcheck disable=SC2016 # mmdebstrap's shell expands it
  mmdebstrap --quiet --mode="$mode" --variant=minbase --include="$(layers_list "$name")" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt=force-unsafe-io \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
    --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' \
    --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
    --essential-hook='mkdir -p "$1/etc/postgresql-common" && echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
    "$name" "$into" ${3:+"$3"} </dev/null 8>&- 9>&- || return 1
  [ "$kind" != userns ] || mv "$into" "$2.tar"
}

layers_debian() { # TARGET
  if [ "$kind" = userns ]; then
    # Made outside, where there is a network, and unpacked here, where there are owners.
    rm -rf "$1.part"
    mkdir "$1.part"
    tar -C "$1.part" --exclude='./dev/*' -xpf "$1.tar"
    rm -f "$1.tar"
  fi
  # Timers of the distribution would write on the hosts while a test watches them.
  rm -rf "$1.part"/etc/systemd/system/timers.target.wants "$1.part"/etc/cron.*/[a-z]* \
    "$1.part"/etc/ssh/ssh_host_* "$1.part"/etc/resolv.conf "$1.part"/dev/*
  : >"$1.part/etc/machine-id"
  mv "$1.part" "$1"
}

layers_seed() { # TARGET LOWERS STEP
  local part=$1.part
  umount -R "$part/root" 2>/dev/null || true
  rm -rf "$part"
  mkdir -p "$part/upper" "$part/work" "$part/root"
  layers_mount "$2" "$part" || die "overlayfs can't be mounted under $part" "Put FLEET_TESTBED_CACHE on a local ext4, xfs or btrfs."
  layers_devices "$part/root/dev"
  "$bed_dir/seed" "$3" "$part/root"
  umount -R "$part/root"
  mv "$part/upper" "$1"
  rm -rf "$part"
}

# What a program in the tree, such as a database that is being filled, takes for granted.
layers_devices() { # DEV
  local device
  mount -t tmpfs -o mode=755 tmpfs "$1"
  for device in null zero full random urandom; do
    : >"$1/$device"
    mount --bind "/dev/$device" "$1/$device"
  done
  mkdir -m 1777 "$1/shm"
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
  layers_name "$(host_field "$1" release)"
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
