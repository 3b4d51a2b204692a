# shellcheck shell=bash
# Faults: what can happen to a host while somebody works on it. To add one, name it in
# `fault_kinds`, write its branch in `net_fault`, and undo it in `clear`.

fault_kinds='link-down link-up freeze thaw power-cut power-on refuse drop clear'

fault_apply() { # HOST KIND
  case " $fault_kinds " in
    *" $2 "*) ;;
    *) misuse "unknown fault \`$2\`; there are: $fault_kinds" ;;
  esac
  "${kind}_fault" "$1" "$2"
  [ "$2" != clear ] || ready_host "$1"
  say "$1: $2"
}

fault_cannot() { # FAULT
  misuse "the $kind kind can't do \`$1\`: that takes a network namespace for each host (kinds nspawn and userns)"
}

# Faults of a host in a network namespace of its own.
net_fault() { # HOST KIND
  local ns
  ns=$(net_ns "$1")
  case $2 in
    link-down) ip link set "$(net_veth "$1")" down ;;
    link-up) ip link set "$(net_veth "$1")" up ;;
    freeze) net_freeze "$1" ;;
    thaw) ns_signal "$1" CONT ;;
    power-cut)
      # First the link: a machine without power says no farewell to its connections.
      ip link set "$(net_veth "$1")" down
      ns_power_cut "$1"
      ;;
    power-on) net_power_on "$1" ;;
    refuse) net_filter "$ns" 'reject with tcp reset' ;;
    drop) net_filter "$ns" drop ;;
    clear)
      net_power_on "$1"
      ip link set "$(net_veth "$1")" up
      net_unfilter "$ns"
      ns_signal "$1" CONT
      ;;
  esac
}

# Again and again until nobody new is found: a process may fork while the others stop.
net_freeze() { # HOST
  local before='' now
  now=$(net_pids "$1")
  while [ "$before" != "$now" ]; do
    ns_signal "$1" STOP
    before=$now
    now=$(net_pids "$1")
  done
}

net_power_on() { # HOST, with the disk as the power cut left it
  [ -z "$(net_pids "$1")" ] || return 0
  net_host_down "$1"
  ns_host_start "$1" kept
}

# Packets to sshd, of connections that stand as well as of new ones.
net_filter() { # NS VERDICT
  net_unfilter "$1"
  ip netns exec "$1" nft -f - <<END
table inet fleet_fault {
  chain input {
    type filter hook input priority 0;
    tcp dport { 22, 2222 } $2
  }
}
END
}

net_unfilter() { # NS
  ip netns exec "$1" nft delete table inet fleet_fault 2>/dev/null || true
}
