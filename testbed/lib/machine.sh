# shellcheck shell=bash
# What this machine can run: picks the best kind and says what stands in the way of others.

# Each prints nothing when the kind can run here (packages aside), else the reason.
machine_lacks() { # KIND
  case $1 in
    nspawn)
      if [ "$(uname -s)" != Linux ]; then echo "it takes Linux"
      elif [ "$(id -u)" -ne 0 ]; then echo "it takes root"
      elif ! unshare --mount --net --pid --fork --mount-proc true 2>/dev/null; then echo "namespaces are forbidden here (a plain container?)"
      elif [ -e /sys/fs/cgroup/cgroup.controllers ] && [ ! -w /sys/fs/cgroup ]; then echo "cgroups are read-only here, so systemd can't boot (a container?)"
      elif ! grep -qw overlay /proc/filesystems && ! modprobe -q overlay 2>/dev/null; then echo "the kernel has no overlayfs"
      elif ! command -v systemd-nspawn >/dev/null && ! command -v apt-get >/dev/null; then echo "systemd-nspawn is not here, nor apt to install it"
      fi
      ;;
    userns)
      if [ "$(uname -s)" != Linux ]; then echo "it takes Linux"
      elif [ "$(id -u)" -eq 0 ]; then echo "it is for users without root"
      elif ! unshare --user --map-root-user --mount --net --pid --fork --mount-proc true 2>/dev/null; then echo "user namespaces are forbidden here"
      elif ! grep -q "^$(id -un):" /etc/subuid 2>/dev/null; then echo "no subordinate ids (sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un))"
      elif ! command -v newuidmap >/dev/null && ! command -v apt-get >/dev/null; then echo "uidmap is not here, nor apt to install it"
      fi
      ;;
    compose)
      if ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then echo "no Docker Compose"
      elif ! docker info >/dev/null 2>&1; then echo "no Docker engine answers"
      fi
      ;;
    plain)
      [ "$(uname -s)" = Linux ] || echo "it takes Linux"
      ;;
  esac
}

# Sets kind to the best one that can run and can be supplied with what it needs.
machine_pick() {
  local one why
  if [ -n "$forced_kind" ]; then
    why=$(machine_lacks "$forced_kind")
    [ -z "$why" ] || die "the $forced_kind kind can't run here: $why" "See: testbed kinds"
    kind=$forced_kind
    return
  fi
  for one in nspawn userns compose plain; do
    why=$(machine_lacks "$one")
    if [ -n "$why" ]; then
      say "not $one: $why"
    elif (kind=$one && "${one}_packages"); then
      kind=$one
      return
    fi
  done
  die "no kind of test bed can run here" "See: testbed kinds"
}

machine_report() {
  local one why
  for one in nspawn userns compose plain; do
    why=$(machine_lacks "$one")
    printf '%-8s %s\n' "$one" "${why:-can run here}"
  done
}
