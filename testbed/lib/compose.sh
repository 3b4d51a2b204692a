# shellcheck shell=bash
# Kind compose: the hosts as containers on ports of loopback, where Docker runs.

compose_packages() {
  command -v ssh-keygen >/dev/null && command -v tar >/dev/null
}

compose_address() { echo 127.0.0.1; }
compose_port() { echo $((20000 + slot * 10 + $(host_field "$1" index) - 10)); }
compose_dropbear() { :; }
compose_user() { echo azureuser; }
compose_root() { :; }
compose_prefix() { :; }
compose_lost() { :; }

compose_capabilities() {
  echo root sudo owners own-root own-machine-id power freeze git crontab narrow-sudo
  # What the images were started from decides about the rest.
  # shellcheck disable=SC2016 # the host's shell expands it
  echo 'command -v pg_ctlcluster >/dev/null && echo postgres; command -v asterisk >/dev/null && echo asterisk
    command -v pip3 >/dev/null && echo pip; command -v python3 >/dev/null && echo http
    ! grep -qw bullseye /etc/os-release || echo old-release' | compose_in_tree dev-vm
}

compose_missing() {
  echo 'systemd: containers run sshd alone; systemctl is absent'
  echo 'port22 and own-address: hosts are ports of loopback'
  echo 'dropbear and shells: the images have neither'
  echo 'link and filter: faults link-down, refuse and drop take a network namespace one may enter'
}

compose_do() {
  local compose='docker compose'
  docker compose version >/dev/null 2>&1 || compose=docker-compose
  # shellcheck disable=SC2086 # one word or two
  SUBNET=$(net_prefix).0/24 PORT_PROD_VM=$(compose_port prod-vm) PORT_DEV_VM=$(compose_port dev-vm) \
    PORT_NEW_VM=$(compose_port new-vm) $compose -f "$bed_dir/compose.yaml" -p "fleet-testbed-$bed_name" "$@" 9>&-
}

compose_up() {
  local host start tries
  if [ -z "$slot" ]; then
    start=$(slot_of_name)
    for tries in $(seq 0 511); do
      slot=$(((start + tries) % 512))
      (exec 3<>"/dev/tcp/127.0.0.1/$(compose_port prod-vm)") 2>/dev/null || break
    done
  fi
  mkdir -p "$state/hosts"
  state_save
  say "building images and starting containers"
  compose_do up -d --build >"$state/hosts/compose.log" 2>&1 ||
    die "docker compose failed: $(tail -n 1 "$state/hosts/compose.log")" "Its log: $state/hosts/compose.log"
  compose_do unpause >/dev/null 2>&1 || true # what a fault left
  for host in $(host_names); do compose_identity "$host"; done
}

compose_condition() { # HOST
  if [ -z "$(compose_do ps -q "$1" 2>/dev/null)" ]; then echo gone
  elif echo 'pgrep -x sshd >/dev/null' | compose_in_tree "$1" 2>/dev/null; then echo settled
  else echo booting
  fi
}

compose_retry() { # HOST mend|kept|fresh
  case $2 in
    mend)
      compose_fault "$1" clear
      compose_identity "$1"
      compose_break "$1"
      ;;
    kept)
      compose_do restart -t 2 "$1" >>"$state/hosts/compose.log" 2>&1
      compose_break "$1"
      ;;
    fresh) compose_reset "$1" ;;
  esac
}

# PAM refuses logins while that is due (FLEET_TESTBED_BREAK).
compose_break() { # HOST
  if break_due "$1"; then
    echo 'echo "broken by FLEET_TESTBED_BREAK" >/etc/nologin' | compose_in_tree "$1"
  else
    echo 'rm -f /run/nologin /etc/nologin' | compose_in_tree "$1"
  fi
}

compose_details() { # HOST
  compose_do ps "$1"
  compose_do logs --tail 5 "$1"
}

# The container does to itself what the other kinds do to a tree from outside.
compose_identity() { # HOST
  ! echo 'test -e /run/identity-there' | compose_in_tree "$1" || return 0
  compose_break "$1"
  COPYFILE_DISABLE=1 tar -C "$state" -cf - "identity/$1" id_ed25519.pub |
    compose_do exec -T -u root "$1" sh -c 'mkdir -p /run/bed && tar -C /run/bed --no-same-owner -xf -'
  {
    echo 'set -e; export LC_ALL=C; state=/run/bed; bed_dir=/usr/local/lib/fleet-testbed'
    declare -f hosts_table host_names identity_apply
    # shellcheck disable=SC2016 # the container's shell expands it
    echo 'inner_address() { getent hosts "$1" | cut -d" " -f1; }'
    echo "identity_apply $1 /"
    echo 'rm -rf /run/bed; : >/run/identity-there'
  } | compose_do exec -T -u root "$1" bash -s
}

compose_reset() { # HOST
  compose_do rm -sf "$1" >/dev/null 2>&1
  compose_do up -d "$1" >>"$state/hosts/compose.log" 2>&1
  compose_identity "$1"
}

compose_down() {
  compose_do down -v --remove-orphans -t 2 >/dev/null 2>&1 || die "docker compose could not take the hosts down"
}

compose_in_tree() { compose_do exec -T -u root "$1" sh -s; } # HOST, script on standard input

compose_fault() { # HOST FAULT
  case $2 in
    freeze) compose_do pause "$1" >/dev/null 2>&1 ;;
    thaw) compose_do unpause "$1" >/dev/null 2>&1 ;;
    power-cut) compose_do kill -s KILL "$1" >/dev/null 2>&1 ;;
    power-on) compose_do start "$1" >/dev/null 2>&1 ;;
    clear)
      compose_do unpause "$1" >/dev/null 2>&1 || true
      compose_do start "$1" >/dev/null 2>&1
      ;;
    *) fault_cannot "$2" ;;
  esac
}
