# shellcheck shell=bash
# Kind userns: the hosts of kind nspawn without systemd, all inside one user namespace, for
# a Linux user without root. sshd is each host's process 1. Forwarders on loopback let the
# workstation in.

userns_packages() {
  packages_need "the userns kind" newuidmap:uidmap mmdebstrap:mmdebstrap nft:nftables \
    ip:iproute2 socat:socat ssh-keygen:openssh-client flock:util-linux
}

# Inside the namespace a host has its true address; outside, its forwarder's.
userns_address() { if [ -n "${FLEET_TESTBED_INSIDE:-}" ]; then inner_address "$1"; else loopback_address "$1"; fi; }
userns_port() { if [ -n "${FLEET_TESTBED_INSIDE:-}" ]; then echo 22; else echo 2222; fi; }
userns_dropbear() { echo 2223; } # its forwarder's
userns_user() { echo azureuser; }
userns_root() { :; } # mounted where only the namespace sees it
userns_prefix() { :; }
userns_capabilities() { echo root sudo owners own-address own-root own-machine-id link power freeze filter git crontab pip postgres http dropbear shells narrow-sudo "$(layers_gained)"; }
userns_lost() { layers_lost; }

userns_missing() {
  echo 'systemd: a user namespace has no cgroup tree to boot it in; sshd is process 1 and systemctl is absent'
  echo 'port22: the workstation reaches hosts through forwarders on loopback, port 2222'
  echo 'refused connections: seen through a forwarder, a refusal is a connection closed before the banner'
  layers_lost_why
}

# Ownership by subordinate ids outlives the namespace: only its like can remove such files.
userns_as_root() { unshare --user --map-auto --map-root-user "$@"; }

# The holder is the `unshare` whose end is the end of everything inside.
userns_holder() {
  local pid
  pid=$(cat "$state/holder.pid" 2>/dev/null) || return 1
  case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in
    *"holder $state "*) echo "$pid" ;;
    *) return 1 ;;
  esac
}

userns_enter() { # COMMAND…
  local pid
  pid=$(userns_holder) || die "the namespace of instance \`$bed_name\` is gone" "Run: testbed --name $bed_name up"
  nsenter --target "$pid" --user --net --mount --pid="/proc/$pid/ns/pid_for_children" --setuid 0 --setgid 0 --wd="$state" \
    env FLEET_TESTBED_INSIDE=1 HOME="$HOME" FLEET_TESTBED_STATE="${state%/*}" FLEET_TESTBED_CACHE="$cache" \
    bash "$bed_dir/testbed" --name "$bed_name" inside "$@"
}

# What `testbed inside` does: the part of each command that needs the namespace.
userns_inside() { # COMMAND [HOST [FAULT]]
  state_load
  case $1 in
    up) ns_up ;;
    reset) ns_reset "$2" ;;
    retry) ns_retry "$2" "$3" ;;
    condition) ns_condition "$2" ;;
    details) ns_details "$2" ;;
    fault) net_fault "$2" "$3" ;;
    tree) cd "$state/hosts/$2/root" && sh -s ;;
    down) ns_down ;;
  esac
}

userns_up() {
  mkdir -p "$(layers_dir)"
  exec 8>"$(layers_dir).lock" # another instance may be fetching the same
  flock 8
  layers_fetch
  exec 8>&-
  userns_holder >/dev/null || userns_hold
  loopback_claim
  state_save
  userns_enter up
  userns_forward
}

userns_hold() {
  rm -rf "$state/hosts" 2>/dev/null || userns_as_root rm -rf "$state/hosts"
  # shellcheck disable=SC2016 # the inner shell expands it
  setsid unshare --user --map-auto --map-root-user --net --mount --pid --fork --kill-child --mount-proc \
    bash -c 'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && : >"$1/holding"
      while :; do sleep 86400 & wait $!; done' holder "$state" "" </dev/null >"$state/holder.log" 2>&1 8>&- 9>&- &
  echo $! >"$state/holder.pid"
  local tries=0
  rm -f "$state/holding"
  until [ -e "$state/holding" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || die "the user namespace can't be made: $(tail -n 1 "$state/holder.log")" "See: testbed kinds"
    sleep 0.05
  done
}

# One forwarder for each server; each connection is carried by a process of its own inside.
userns_forward() {
  local host pid
  pid=$(userns_holder)
  userns_unforward
  for host in $(host_names); do
    userns_forward_port "$host" 2222 22
    [ -z "$(host_dropbear "$host")" ] || userns_forward_port "$host" "$(host_dropbear "$host")" 2222
  done
}

userns_forward_port() { # HOST OUTSIDE INSIDE
  setsid socat "TCP-LISTEN:$2,bind=$(loopback_address "$1"),reuseaddr,nodelay,fork" \
    EXEC:"nsenter --target $pid --user --net --preserve-credentials socat - TCP\:$(inner_address "$1")\:$3\,nodelay" \
    </dev/null >>"$state/hosts/forward.log" 2>&1 8>&- 9>&- &
  echo $! >>"$state/forward.pids"
}

userns_unforward() {
  local pid
  while read -r pid; do
    # Connections under way are children of the forwarder's session.
    ! grep -qsF "bind=$(loopback_address prod-vm | cut -d. -f1-3)." "/proc/$pid/cmdline" || kill -- "-$pid" 2>/dev/null || true
  done < <(cat "$state/forward.pids" 2>/dev/null)
  rm -f "$state/forward.pids"
}

userns_reset() { userns_enter reset "$1"; }
userns_fault() { userns_enter fault "$1" "$2"; }
userns_retry() { userns_enter retry "$1" "$2"; }
userns_condition() { userns_enter condition "$1"; }
userns_details() { userns_enter details "$1"; }
userns_in_tree() { userns_enter tree "$1"; }

userns_down() {
  local pid tries=0
  userns_unforward
  if pid=$(userns_holder); then
    userns_enter down
    kill -s KILL "$pid" # it ignores TERM, and takes all inside with it
    while userns_holder >/dev/null && [ $tries -lt 50 ]; do
      tries=$((tries + 1))
      sleep 0.05
    done
  fi
  rm -f "$state/holder.pid" "$state/holding"
  [ ! -d "$state/hosts" ] || userns_as_root rm -rf "$state/hosts"
}

# Inside: process 1 starts the services and becomes sshd, which then listens on port 22.
userns_has_booted() { # HOST PID
  [ "$(cat "/proc/$2/comm" 2>/dev/null)" = sshd ] && grep -q ':0016 [0-9A-F:]* 0A ' "/proc/$2/net/tcp"
}

userns_mend() { # HOST
  ns_ask "$1" rm -f /run/nologin
  userns_break "$1" "$state/hosts/$1/root"
}

# PAM refuses logins while that is due.
userns_break() { # HOST ROOT
  rm -f "$2/etc/nologin"
  ! break_due "$1" || echo 'broken by FLEET_TESTBED_BREAK' >"$2/etc/nologin"
}

# Inside.
ns_details() { # HOST
  [ -n "$(net_init "$1")" ] || { echo "its processes are gone" && return; }
  # shellcheck disable=SC2016 # the host's shell expands it
  ns_ask "$1" sh -c 'echo "process 1: $(cat /proc/1/comm)"
    for file in /run/nologin /etc/nologin; do [ ! -e $file ] || echo "$file: $(cat $file)"; done'
}

userns_boot() { # HOST ROOT
  userns_break "$1" "$2"
  setsid ip netns exec "$(net_ns "$1")" unshare --mount --uts --ipc --pid --fork --kill-child \
    bash "$bed_dir/lib/userns-host.bash" "$1" "$2" </dev/null >"$state/hosts/$1/console.log" 2>&1 8>&- 9>&- &
  echo $! >"$state/hosts/$1/runner.pid"
}

userns_ask_to_stop() { kill -s TERM "$1" 2>/dev/null || true; }
