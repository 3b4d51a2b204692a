# shellcheck shell=bash
# One bridge an instance, one network namespace a host, addresses out of 198.18.0.0/15
# (the range set aside for benchmarks, so it is nobody's network).

net_bridge() { echo "fleettb$slot"; }
net_ns() { echo "fleettb$slot-$1"; }
net_veth() { echo "fleettb$slot.$(host_field "$1" index)"; }
net_prefix() { echo "198.$((18 + slot / 256)).$((slot % 256))"; }
inner_address() { echo "$(net_prefix).$(host_field "$1" index)"; }

# The bridge's alias says whose it is, so that a lost state folder can still be cleaned up
# after, and nobody takes another instance's bridge for its own.
net_owner() { ip link show dev "$1" 2>/dev/null | sed -n 's/^ *alias //p'; }

# Sets slot to that of the bridge which bears this instance's name, if there is one.
net_find_mine() {
  local bridge
  for bridge in /sys/class/net/fleettb*; do
    slot=${bridge##*/fleettb}
    case $slot in *[!0-9]* | '') continue ;; esac
    [ "$(net_owner "$(net_bridge)")" != "$state" ] || return 0
  done
  slot=''
  return 1
}

net_claim() {
  local start tries remembered=$slot
  if [ -n "$slot" ] && [ "$(net_owner "$(net_bridge)")" = "$state" ]; then return; fi
  ! net_find_mine || return 0
  start=${remembered:-$(slot_of_name)} # the same addresses again if they are free
  for tries in $(seq 0 511); do
    slot=$(((start + tries) % 512))
    # Adding a link that is there fails: that makes the claim atomic.
    if ip link add "$(net_bridge)" type bridge 2>/dev/null; then
      ip link set "$(net_bridge)" alias "$state"
      ip addr add "$(net_prefix).1/24" dev "$(net_bridge)"
      ip link set "$(net_bridge)" up
      return
    fi
  done
  die "no bridge can be made" "ip link add fleettb0 type bridge"
}

net_host_up() { # HOST
  local ns veth
  ns=$(net_ns "$1") veth=$(net_veth "$1")
  ip netns add "$ns"
  # A fixed hardware address: a restarted host is found at once, not after ARP times out.
  ip link add "$veth" type veth peer name eth0 \
    address "$(printf '02:fe:00:%02x:%02x:%02x' $((slot / 256)) $((slot % 256)) "$(host_field "$1" index)")" netns "$ns"
  ip link set "$veth" master "$(net_bridge)" up
  ip -n "$ns" addr add "$(inner_address "$1")/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" link set lo up
  ip -n "$ns" route add default via "$(net_prefix).1"
}

net_host_down() { # HOST
  # The veth goes by name first: a namespace that something still holds would keep it.
  ip link del "$(net_veth "$1")" 2>/dev/null || true
  ip netns del "$(net_ns "$1")" 2>/dev/null || true
}

net_down() {
  [ "$(net_owner "$(net_bridge)")" != "$state" ] || ip link del "$(net_bridge)"
}

net_pids() { # HOST
  ip netns pids "$(net_ns "$1")" 2>/dev/null || true
}

# The host's process 1, as the workstation numbers it.
net_init() { # HOST
  local pid
  for pid in $(net_pids "$1"); do
    case $(awk '/^NSpid:/ { print NF - 1, $NF }' "/proc/$pid/status" 2>/dev/null) in
      '1 '*) ;;
      *' 1') echo "$pid" && return ;;
    esac
  done
}
