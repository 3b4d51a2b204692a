# shellcheck shell=bash
# Kind nspawn: booted systemd hosts in network namespaces, for root on Linux.

nspawn_packages() {
  packages_need "the nspawn kind" systemd-nspawn:systemd-container mmdebstrap:mmdebstrap \
    nft:nftables ip:iproute2 ssh-keygen:openssh-client flock:util-linux
}

nspawn_up() { ns_up; }
nspawn_retry() { ns_retry "$@"; }
nspawn_condition() { ns_condition "$1"; }
nspawn_reset() { ns_reset "$1"; }
nspawn_address() { inner_address "$1"; }
nspawn_port() { echo 22; }
nspawn_dropbear() { echo 2222; }
nspawn_user() { echo azureuser; }
nspawn_root() { echo "$state/hosts/$1/root"; }
nspawn_prefix() { :; }
nspawn_capabilities() { echo root sudo owners systemd port22 own-address own-root own-machine-id link power freeze filter git crontab pip postgres http dropbear shells narrow-sudo "$(layers_gained)"; }
nspawn_lost() { layers_lost; }
nspawn_missing() { layers_lost_why; }
nspawn_fault() { net_fault "$@"; }

# Runs the script on standard input as root on HOST's tree.
nspawn_in_tree() { # HOST
  (cd "$state/hosts/$1/root" && sh -s)
}

nspawn_down() {
  local host
  ns_down
  for host in $(host_names); do nspawn_cgroups_remove "$host"; done
}

# A cgroup of its own for each host, a folder in each hierarchy that systemd works in. nspawn gives
# hosts that it does not register all the same one, and then one host's systemd removes a service's
# cgroup at the moment another's is about to enter it: "Failed to attach to cgroup".
nspawn_cgroups() { # HOST
  awk -v name="fleettb$slot-$1" '
    FILENAME == "/proc/self/cgroup" {
      split($0, part, ":")
      if (part[2] == "") mine["cgroup2"] = part[3]
      if (part[2] == "name=systemd") mine["cgroup"] = part[3]
      next
    }
    {
      for (i = 7; $i != "-"; i++);
      type = $(i + 1)
      if (type == "cgroup" && "," $(i + 3) "," !~ /,name=systemd,/) next
      if (!(type in mine)) next
      path = mine[type]
      if ($4 != "/" && index(path, $4) == 1) path = substr(path, length($4) + 1)
      sub("/$", "", path)
      print $5 path "/" name
    }' /proc/self/cgroup /proc/self/mountinfo
}

nspawn_cgroups_enter() { # HOST
  local cgroup
  for cgroup in $(nspawn_cgroups "$1"); do
    { mkdir -p "$cgroup" && echo "$BASHPID" >"$cgroup/cgroup.procs"; } || echo "testbed: no cgroup of its own: $cgroup"
  done
}

nspawn_cgroups_remove() { # HOST
  local cgroup
  for cgroup in $(nspawn_cgroups "$1"); do
    [ ! -d "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

nspawn_boot() { # HOST ROOT
  local keep=
  nspawn_break "$1" "$2"
  nspawn_cgroups_remove "$1" # what an earlier boot left
  # Where systemd runs the workstation, nspawn asks it for a scope of its own.
  [ -d /run/systemd/system ] || keep=--keep-unit
  (
    [ -z "$keep" ] || nspawn_cgroups_enter "$1"
    # shellcheck disable=SC2086 # nothing, or one option
    exec setsid systemd-nspawn --boot --quiet -D "$2" -M "fleettb$slot-$1" --hostname="$1" --register=no $keep \
      --network-namespace-path="/run/netns/$(net_ns "$1")" --console=pipe --resolv-conf=off --timezone=off \
      --link-journal=no systemd.mask=console-getty.service
  ) </dev/null >"$state/hosts/$1/console.log" 2>&1 8>&- 9>&- &
  echo $! >"$state/hosts/$1/runner.pid"
}

nspawn_has_booted() { # HOST
  case $(ns_ask "$1" timeout 5 systemctl is-system-running 2>/dev/null) in
    running | degraded | maintenance) return 0 ;;
    *) return 1 ;;
  esac
}

nspawn_mend() { # HOST
  nspawn_break "$1" "$state/hosts/$1/root"
  # shellcheck disable=SC2016 # the host's shell expands it
  ns_ask "$1" sh -c 'systemctl daemon-reload; systemctl reset-failed
    systemctl restart systemd-user-sessions; systemctl start "$(systemctl get-default)"' >/dev/null 2>&1
}

# The service that opens the host to logins fails while that is due.
nspawn_break() { # HOST ROOT
  local dir=$2/usr/lib/systemd/system/systemd-user-sessions.service.d
  if break_due "$1"; then
    mkdir -p "$dir"
    printf '%s\n' '[Service]' ExecStart= "ExecStart=/bin/sh -c 'echo broken by FLEET_TESTBED_BREAK >&2; exit 1'" >"$dir/break.conf"
  elif [ -e "$dir/break.conf" ]; then
    rm -r "$dir"
  fi
}

nspawn_details() { # HOST
  [ -n "$(net_init "$1")" ] || { echo "its processes are gone" && return; }
  # shellcheck disable=SC2016 # the host's shell expands it
  ns_ask "$1" sh -c 'echo "system: $(systemctl is-system-running)"
    for unit in $(systemctl list-units --failed --plain --no-legend | cut -d" " -f1); do
      echo "$unit: $(systemctl show -p Result --value "$unit")"
      journalctl -u "$unit" -n 3 -o cat --no-pager | sed "s/^/  /"
    done
    echo "ssh.service: $(systemctl is-active ssh.service)"
    for file in /run/nologin /etc/nologin; do [ ! -e $file ] || echo "$file: $(cat $file)"; done'
}

# The clean way down that systemd as process 1 understands.
nspawn_ask_to_stop() { # PID
  kill -s RTMIN+4 "$1" 2>/dev/null || true
}
