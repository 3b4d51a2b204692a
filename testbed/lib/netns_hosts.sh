# shellcheck shell=bash
# Hosts in network namespaces: their trees, their processes, their end. The kinds nspawn
# and userns share this and differ in how a host boots (`KIND_boot`) and is asked to stop.

ns_up() {
  local host
  layers_build
  net_claim
  state_save
  for host in $(host_names); do
    if [ -n "$(net_init "$host")" ]; then
      net_fault "$host" clear
    else
      ns_host_stop "$host" # what a crash left
      ns_host_start "$host" fresh
    fi
  done
}

# One attempt to make HOST take logins (see ready.sh).
ns_retry() { # HOST mend|kept|fresh
  if [ "$2" = mend ]; then
    net_fault "$1" clear
    "${kind}_mend" "$1"
  else
    ns_host_stop "$1"
    ns_host_start "$1" "$2"
  fi
}

# booting, settled or gone.
ns_condition() { # HOST
  local init
  if ! ns_runner_there "$1"; then
    echo gone
  elif init=$(net_init "$1") && [ -n "$init" ] && "${kind}_has_booted" "$1" "$init"; then
    echo settled
  else
    echo booting
  fi
}

ns_runner_there() { # HOST
  local pid
  pid=$(cat "$state/hosts/$1/runner.pid" 2>/dev/null) && [ -d "/proc/$pid" ]
}

# Runs a command in HOST's namespaces, beside what runs there.
ns_ask() { # HOST COMMAND…
  local init
  init=$(net_init "$1")
  shift
  [ -n "$init" ] || return 1
  ${timeout_program:+"$timeout_program" 30} nsenter --target "$init" --mount --uts --ipc --net --pid \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@" </dev/null 8>&- 9>&-
}

ns_host_start() { # HOST fresh|kept
  local dir=$state/hosts/$1
  if [ "$2" = fresh ]; then
    tree_unmount "$1"
    tree_mount "$1"
    identity_apply "$1" "$dir/root"
  fi
  net_host_up "$1"
  "${kind}_boot" "$1" "$dir/root"
}

# Ends every process of HOST and its network. Asks first, for at most five seconds.
ns_host_stop() { # HOST
  local init tries=0
  ns_signal "$1" CONT # a stopped process hears nothing
  init=$(net_init "$1")
  [ -z "$init" ] || "${kind}_ask_to_stop" "$init"
  while [ -n "$(net_pids "$1")" ] && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  ns_power_cut "$1"
  net_host_down "$1"
}

ns_signal() { # HOST SIGNAL
  local pids
  pids=$(net_pids "$1")
  # shellcheck disable=SC2086 # a list of numbers
  [ -z "$pids" ] || kill -s "$2" $pids 2>/dev/null || true
}

ns_power_cut() { # HOST
  local tries=0
  while [ -n "$(net_pids "$1")" ] && [ $tries -lt 50 ]; do
    ns_signal "$1" KILL
    tries=$((tries + 1))
    sleep 0.05
  done
  # nspawn itself stays outside the namespace and follows its host.
  ns_wait_runner "$1"
}

ns_wait_runner() { # HOST
  local pid tries=0
  pid=$(cat "$state/hosts/$1/runner.pid" 2>/dev/null) || return 0
  while grep -qsF "$state/hosts/$1/root" "/proc/$pid/cmdline" && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    [ $tries -ne 30 ] || kill -s KILL "$pid" 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$state/hosts/$1/runner.pid"
}

ns_reset() { # HOST
  layers_build # the seed may have changed since
  ns_host_stop "$1"
  ns_host_start "$1" fresh
}

ns_down() {
  local host
  for host in $(host_names); do
    (ns_host_stop "$host" && tree_unmount "$host") &
  done
  wait
  net_down
}
