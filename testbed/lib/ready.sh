# shellcheck shell=bash
# Readiness: a host is up once every account that tests use has run a command on it over ssh.
# An open port proves less: sshd answers while systemd still refuses logins (/run/nologin).
#
# A host that refuses logins is repaired, at most three times, each time with stronger means:
#
#   mend    undo faults, start what failed
#   kept    restart the host with its tree as it is
#   fresh   restart the host with a fresh tree
#
# A kind supplies KIND_retry HOST MEANS, KIND_condition HOST (prints booting, settled or gone) and
# KIND_details HOST (prints what the host itself tells about its state).

ready_patience=${FLEET_TESTBED_PATIENCE:-120} # seconds that a host may take to boot
ready_grace=${FLEET_TESTBED_GRACE:-5}         # seconds that a booted host may go on refusing logins
ready_login_limit=20                          # seconds for one login

# Accounts of HOST that tests log in as.
host_accounts() { # HOST
  "${kind}_user"
  [ "$kind" != plain ] || return 0
  [ "$(host_field "$1" access)" != writable ] || echo clerk
  [ "$1" != new-vm ] || echo narrow
  [ -z "$(host_dropbear "$1")" ] || echo tcsh csh zsh fish mksh # the trees that have the one have the others
}

# The port of HOST's dropbear; nothing when it has none.
host_dropbear() { # HOST
  [ "$1" != new-vm ] || "${kind}_dropbear"
}

# What ssh is called with for each login.
host_logins() { # HOST
  local account
  for account in $(host_accounts "$1"); do echo "$account@$1"; done
  [ -z "$(host_dropbear "$1")" ] || echo "$("${kind}_user")@$1-dropbear"
}

# Tries every login of HOST: the first one, and if that works all others at the same time. 0 when each
# of them ran a command. What a login printed instead is left in hosts/HOST/login.LOGIN.
ready_logins() { # HOST
  local login job jobs='' status=0 first
  read -r first < <(host_logins "$1")
  mkdir -p "$state/hosts/$1"
  rm -f "$state/hosts/$1"/login.*
  if ! banner_there "$1" 2; then
    echo "no SSH server answers at $("${kind}_address" "$1"), port $("${kind}_port" "$1")" >"$state/hosts/$1/login.$first"
    return 1
  fi
  ready_login "$1" "$first" || return 1
  for login in $(host_logins "$1" | tail -n +2); do
    ready_login "$1" "$login" &
    jobs="$jobs $!"
  done
  for job in $jobs; do wait "$job" || status=1; done
  return $status
}

ready_login() { # HOST LOGIN
  local log=$state/hosts/$1/login.$2 status=0 printed
  printed=$(${timeout_program:+"$timeout_program" $ready_login_limit} ssh -F "$state/ssh_config" \
    -o BatchMode=yes -o ConnectTimeout=5 -o ControlPath=none -o LogLevel=INFO "$2" 'echo ready' 2>"$log" </dev/null 8>&- 9>&-) || status=$?
  case $printed in *ready*) rm -f "$log" && return 0 ;; esac
  [ $status -ne 124 ] || echo "no end within $ready_login_limit s" >>"$log"
  [ -s "$log" ] || echo "the command printed nothing (exit status $status)" >>"$log"
  return 1
}

# One line: the first login that failed, and what ssh printed.
ready_refusal() { # HOST
  local login log
  for login in $(host_logins "$1"); do
    log=$state/hosts/$1/login.$login
    [ ! -s "$log" ] || { echo "$login: $(tr -d '\r' <"$log" | grep -v '^$' | head -n 1 | cut -c 1-200)" && return; }
  done
}

# Waits until every login works. 1 when the host has ended, when it has booted and still
# refuses, or when it takes too long to boot.
ready_wait() { # HOST
  local begun=$SECONDS settled=''
  until ready_logins "$1"; do
    case $("${kind}_condition" "$1") in
      gone) return 1 ;;
      settled)
        settled=${settled:-$SECONDS}
        [ $((SECONDS - settled)) -lt "$ready_grace" ] || return 1
        ;;
      *) settled='' ;;
    esac
    [ $((SECONDS - begun)) -lt "$ready_patience" ] || return 1
    sleep 0.2
  done
}

# Waits for HOST, repairs it if need be, and ends with an error that says why when that fails.
ready_host() { # HOST
  local means
  for means in mend kept fresh ''; do
    ! ready_wait "$1" || { [ "$means" = mend ] || say "$1: logins work now" && return 0; }
    case $means in
      mend) say "$1 refuses logins ($(ready_refusal "$1")): starting what failed" ;;
      kept) say "$1 still refuses logins: restarting it" ;;
      fresh) say "$1 still refuses logins: restarting it with a fresh tree" ;;
      '') ready_failed "$1" ;;
    esac
    "${kind}_retry" "$1" "$means" || true # the next look at the host decides
  done
}

ready_failed() { # HOST
  local login log
  rm -f "$state/testbed.json" "$state/break" # nobody reads the test bed as up while it is not
  echo "error: $1 refuses logins, and three repairs did not help" >&2
  for login in $(host_logins "$1"); do
    log=$state/hosts/$1/login.$login
    [ ! -s "$log" ] || tr -d '\r' <"$log" | grep -v '^$' | head -n 3 | sed "s/^/  $login: /" >&2 || true
  done
  "${kind}_details" "$1" 2>&1 | head -n 20 | sed 's/^/  /' >&2 || true
  [ ! -s "$state/hosts/$1/console.log" ] || tail -n 5 "$state/hosts/$1/console.log" | tr -d '\r' | sed 's/^/  console: /' >&2 || true
  echo "  hint: Its log: $state/hosts/$1/console.log; all anew: testbed --name $bed_name down, then up" >&2
  exit 1
}

# All hosts at the same time, for they boot at the same time.
ready_all() {
  local host job jobs='' status=0
  for host in $(host_names); do
    ready_host "$host" &
    jobs="$jobs $!"
  done
  for job in $jobs; do wait "$job" || status=1; done
  rm -f "$state/break"
  [ $status -eq 0 ] || exit 1 # each of them has said why
}

# Whether everybody can log in everywhere right now.
ready_now() {
  local host job jobs='' status=0
  for host in $(host_names); do
    ready_logins "$host" &
    jobs="$jobs $!"
  done
  for job in $jobs; do wait "$job" || status=1; done
  return $status
}

# For tests: FLEET_TESTBED_BREAK=HOST:COUNT makes HOST refuse logins after each of its next COUNT
# boots and repairs. The kinds ask `break_due` whenever they boot or mend.
break_arm() {
  local host=${FLEET_TESTBED_BREAK:-} count
  rm -f "$state/break"
  [ -n "$host" ] || return 0
  count=${host#*:} host=${host%%:*}
  host_known "$host" || misuse "FLEET_TESTBED_BREAK is HOST:COUNT, and no host is called \`$host\`"
  case $count in '' | *[!0-9]*) misuse "FLEET_TESTBED_BREAK is HOST:COUNT, and \`$count\` is no number" ;; esac
  echo "$host $count" >"$state/break"
}

break_due() { # HOST: counts down
  local host count
  [ -e "$state/break" ] || return 1
  read -r host count <"$state/break"
  [ "$host" = "$1" ] && [ "$count" -gt 0 ] || return 1
  echo "$host $((count - 1))" >"$state/break"
}
