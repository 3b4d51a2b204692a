# shellcheck shell=bash
# Where an instance keeps its things, what it remembers between commands, and its hosts.

kind='' slot=''
old_suite='' # the release that the older hosts really have; empty until that is known

state_paths() {
  state=${FLEET_TESTBED_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/fleet-testbed}/$bed_name
  cache=${FLEET_TESTBED_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fleet-testbed}
  case $state$cache in /*) ;; *) misuse "the state and cache folders must be absolute paths" ;; esac
  case $state$cache in *[:,\ \\\"\']*) misuse "the state and cache folders' paths can't hold blanks, quotes, colons or commas" ;; esac
}

# One command at a time for each instance. Commands inside the userns hold the lock already.
state_lock() {
  mkdir -p "$state"
  chmod 700 "$state"
  command -v flock >/dev/null || return 0 # macOS: trust in the person
  exec 9>"$state.lock"
  flock -w 600 9 || die "another command works on instance \`$bed_name\`"
}

state_load() {
  local key value
  kind='' slot='' old_suite=''
  if [ ! -e "$state/bed" ]; then
    # Somebody removed the file or the folder: the bridge still knows whose it is.
    if net_find_mine; then kind=nspawn; fi
    return 0
  fi
  while IFS='=' read -r key value; do
    case $key in kind) kind=$value ;; slot) slot=$value ;; old_suite) old_suite=$value ;; esac
  done <"$state/bed"
}

# Where the search for a free slot (a subnet's number, 0 to 511) begins.
slot_of_name() { echo $(($(printf '%s' "$state" | cksum | cut -d' ' -f1) % 512)); }

# Kinds without addresses of their own for hosts use loopback's, which Linux has plenty of.
loopback_address() { echo "127.$((18 + slot / 256)).$((slot % 256)).$(host_field "$1" index)"; }

loopback_claim() {
  local start tries
  [ -z "$slot" ] || return 0
  start=$(slot_of_name)
  for tries in $(seq 0 511); do
    slot=$(((start + tries) % 512))
    (exec 3<>"/dev/tcp/$(loopback_address prod-vm)/2222") 2>/dev/null || return 0
  done
  die "no loopback address is free on port 2222"
}

state_save() {
  printf 'kind=%s\nslot=%s\nold_suite=%s\n' "$kind" "$slot" "$old_suite" >"$state/bed"
}

# name, last part of the address, env, access, release of the system
hosts_table() {
  echo 'prod-vm 11 prod read-only old'
  echo 'dev-vm 12 dev writable old'
  echo 'new-vm 13 dev writable new'
}

host_names() { hosts_table | cut -d' ' -f1; }

host_known() { [ -n "$(host_field "$1" index)" ]; }

host_field() { # HOST index|env|access|release
  local name index env access release
  while read -r name index env access release; do
    [ "$name" != "$1" ] || case $2 in
      index) echo "$index" ;;
      env) echo "$env" ;;
      access) echo "$access" ;;
      release) echo "$release" ;;
    esac
  done < <(hosts_table)
}

timeout_program=$(command -v timeout || true) # macOS has none, nor hosts that hang

# True when sshd at HOST sends its banner; a connection alone proves nothing.
banner_there() { # HOST [SECONDS]
  local line
  # shellcheck disable=SC2016 # the inner shell expands them
  line=$(${timeout_program:+"$timeout_program" "${2:-1}"} bash -c 'exec 3<>"/dev/tcp/$0/$1" && IFS= read -r -t 2 line <&3 && echo "$line"' \
    "$("${kind}_address" "$1")" "$("${kind}_port" "$1")" 2>/dev/null) || true
  case $line in SSH-*) return 0 ;; *) return 1 ;; esac
}
