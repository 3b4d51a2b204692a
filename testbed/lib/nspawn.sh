# shellcheck shell=bash
# Kind nspawn: booted systemd hosts in network namespaces, for root on Linux.

nspawn_packages() {
  packages_need "the nspawn kind" systemd-nspawn:systemd-container mmdebstrap:mmdebstrap \
    nft:nftables ip:iproute2 ssh-keygen:openssh-client flock:util-linux
}

nspawn_up() { ns_up; }
nspawn_down() { ns_down; }
nspawn_reset() { ns_reset "$1"; }
nspawn_address() { inner_address "$1"; }
nspawn_port() { echo 22; }
nspawn_user() { echo azureuser; }
nspawn_root() { echo "$state/hosts/$1/root"; }
nspawn_prefix() { :; }
nspawn_capabilities() { echo root sudo owners systemd port22 own-address own-root own-machine-id link power freeze filter git crontab pip postgres http "$(layers_gained)"; }
nspawn_lost() { layers_lost; }
nspawn_missing() { layers_lost_why; }
nspawn_fault() { net_fault "$@"; }

# Runs the script on standard input as root on HOST's tree.
nspawn_in_tree() { # HOST
  (cd "$state/hosts/$1/root" && sh -s)
}

nspawn_boot() { # HOST ROOT
  local keep=
  # Where systemd runs the workstation, nspawn asks it for a scope of its own.
  [ -d /run/systemd/system ] || keep=--keep-unit
  # shellcheck disable=SC2086 # nothing, or one option
  setsid systemd-nspawn --boot --quiet -D "$2" -M "fleettb$slot-$1" --hostname="$1" --register=no $keep \
    --network-namespace-path="/run/netns/$(net_ns "$1")" --console=pipe --resolv-conf=off --timezone=off \
    --link-journal=no systemd.mask=console-getty.service \
    </dev/null >"$state/hosts/$1/console.log" 2>&1 8>&- 9>&- &
  echo $! >"$state/hosts/$1/runner.pid"
}

# The clean way down that systemd as process 1 understands.
nspawn_ask_to_stop() { # PID
  kill -s RTMIN+4 "$1" 2>/dev/null || true
}
