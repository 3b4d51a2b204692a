# shellcheck shell=bash
# Kind plain: sshd processes as the current user on loopback addresses, for places where
# namespaces are forbidden. A host's tree lies under hosts/NAME/root in the state folder.

plain_packages() {
  packages_need "the plain kind" ssh-keygen:openssh-client git:git || return 1
  plain_sshd >/dev/null || plain_fetch_sshd
}

plain_address() { loopback_address "$1"; }
plain_port() { echo 2222; }
plain_dropbear() { :; }
plain_user() { id -un; }
plain_root() { echo "$state/hosts/$1/root"; }
plain_prefix() { plain_root "$1"; }
plain_capabilities() { echo own-address power freeze git; }
plain_lost() { :; }

plain_missing() {
  echo 'root: everything runs as the current user; no other accounts, owners or root-only files'
  echo 'sudo, narrow-sudo, shells and dropbear: that would change this machine, not a host'
  echo 'systemd: no services; unit files are there to be read'
  echo 'postgres, http, asterisk, old-release, pip, crontab: a host is a folder of files of this machine, with no services or programs of its own'
  echo 'port22: hosts listen on loopback addresses, port 2222'
  echo 'own-root: a host has no / of its own; its tree lies under a prefix'
  echo 'own-machine-id: all hosts show the machine id of this machine'
  echo 'link and filter: no network of its own to break (faults link-down, refuse, drop)'
}

plain_sshd() {
  local path
  for path in /usr/sbin/sshd "$cache/plain/sshd/usr/sbin/sshd"; do
    [ ! -x "$path" ] || { echo "$path" && return 0; }
  done
  return 1
}

# Unpacks the server beside the cache instead of installing it: an installed one would
# start listening on this machine. apt keeps its lists in the cache too, so this takes
# no root. Run by root, sshd wants the account that its package would have made.
plain_fetch_sshd() {
  local dir=$cache/plain/sshd apt
  if [ "$(id -u)" -eq 0 ] && ! grep -q '^sshd:' /etc/passwd; then
    useradd --system --home-dir /run/sshd --shell /usr/sbin/nologin sshd
  fi
  command -v apt-get >/dev/null || { say "not plain: no sshd here, nor apt to fetch it" && return 1; }
  say "fetching sshd for the plain kind"
  mkdir -p "$dir/lists/partial" "$dir/archives/partial"
  apt="-o Dir::State::Lists=$dir/lists -o Dir::Cache=$dir -o Dir::Cache::Archives=$dir/archives -o APT::Sandbox::User=$(id -un)"
  # shellcheck disable=SC2086 # options, without blanks in them
  (cd "$dir" && { apt-get -qq $apt update || true; } && apt-get -qq $apt download openssh-server libwrap0 &&
    for package in ./*.deb; do dpkg -x "$package" .; done) >"$cache/plain/apt.log" 2>&1 ||
    { say "not plain: sshd could not be fetched ($(tail -n 1 "$cache/plain/apt.log"))" && return 1; }
  rm -rf "$dir/lists" "$dir/archives" "$dir"/*.deb "$dir"/*.bin
}

plain_up() {
  local host key
  loopback_claim
  state_save
  key=$(layers_seed_key)
  plain_content=$cache/plain/content-$key
  if [ ! -d "$plain_content" ]; then
    say "making the hosts' content (once)"
    rm -rf "$cache/plain"/content-*
    mkdir -p "$plain_content.part"
    "$bed_dir/seed" content "$plain_content.part"
    mv "$plain_content.part" "$plain_content"
  fi
  for host in $(host_names); do
    if [ -n "$(plain_pids "$host")" ]; then
      plain_signal "$host" CONT
    else
      plain_tree "$host"
      plain_start "$host"
    fi
  done
}

plain_tree() { # HOST
  local root
  root=$(plain_root "$1")
  rm -rf "$root"
  mkdir -p "$root"
  [ "$1" = new-vm ] || cp -a "$cache/plain"/content-*/. "$root"
  [ "$1" = new-vm ] || "$bed_dir/seed" host "$root" "$1"
}

plain_start() { # HOST
  local dir=$state/hosts/$1 sshd unpacked
  sshd=$(plain_sshd)
  unpacked=${sshd%/usr/sbin/sshd}
  plain_keys "$1"
  {
    echo "ListenAddress $(plain_address "$1"):2222"
    for key in "$state/identity/$1"/ssh_host_*_key; do echo "HostKey $key"; done
    echo "AuthorizedKeysFile $dir/authorized_keys"
    # The mark finds every process of this host, whatever became of its parent.
    echo "SetEnv FLEET_TESTBED_HOST=$dir"
    printf '%s\n' 'StrictModes no' 'UsePAM no' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
      'PermitRootLogin prohibit-password' 'PermitUserRC no' 'UseDNS no' 'MaxStartups 200' 'PidFile none' \
      'Subsystem sftp internal-sftp'
    # Newer servers consist of several programs.
    [ ! -x "$unpacked/usr/lib/openssh/sshd-session" ] || echo "SshdSessionPath $unpacked/usr/lib/openssh/sshd-session"
    [ ! -x "$unpacked/usr/lib/openssh/sshd-auth" ] || echo "SshdAuthPath $unpacked/usr/lib/openssh/sshd-auth"
  } >"$dir/sshd_config"
  [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
  # shellcheck disable=SC2031 # a library path for this process alone
  LD_LIBRARY_PATH=${unpacked:+$(echo "$unpacked"/usr/lib/*-linux-gnu*)} \
    setsid "$sshd" -D -e -f "$dir/sshd_config" </dev/null >"$dir/console.log" 2>&1 8>&- 9>&- &
  echo $! >"$dir/sshd.pid"
  disown # bash would report its end
}

# No key is taken while a refusal is due (FLEET_TESTBED_BREAK).
plain_keys() { # HOST
  local dir=$state/hosts/$1
  if break_due "$1"; then : >"$dir/authorized_keys"; else cp "$state/id_ed25519.pub" "$dir/authorized_keys"; fi
}

plain_condition() { # HOST
  if [ -z "$(plain_pids "$1")" ]; then echo gone
  elif banner_there "$1"; then echo settled
  else echo booting
  fi
}

plain_retry() { # HOST mend|kept|fresh
  case $2 in
    mend)
      plain_fault "$1" clear
      plain_keys "$1"
      ;;
    kept) plain_stop "$1" && plain_start "$1" ;;
    fresh) plain_reset "$1" ;;
  esac
}

plain_details() { # HOST
  [ -n "$(plain_pids "$1")" ] || echo "its sshd has ended"
  echo "authorized_keys: $(wc -l <"$state/hosts/$1/authorized_keys") keys"
}

plain_pids() { # HOST
  local dir=$state/hosts/$1 pid
  pid=$(cat "$dir/sshd.pid" 2>/dev/null) || return 0
  if grep -qsF "$dir/sshd_config" "/proc/$pid/cmdline"; then plain_descendants "$pid"; fi
  grep -lszxF "FLEET_TESTBED_HOST=$dir" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

plain_descendants() { # PID
  local child
  echo "$1"
  while read -r child; do
    plain_descendants "$child"
  done < <(awk -v p="$1" '/^Pid:/ { pid = $2 } /^PPid:/ && $2 == p { print pid }' /proc/[0-9]*/status 2>/dev/null)
}

plain_signal() { # HOST SIGNAL
  local pids
  pids=$(plain_pids "$1")
  # shellcheck disable=SC2086 # a list of numbers
  [ -z "$pids" ] || kill -s "$2" $pids 2>/dev/null || true
}

plain_stop() { # HOST
  local tries=0
  while [ -n "$(plain_pids "$1")" ] && [ $tries -lt 50 ]; do
    plain_signal "$1" KILL
    tries=$((tries + 1))
    sleep 0.05
  done
}

plain_reset() { plain_stop "$1" && plain_tree "$1" && plain_start "$1"; }

plain_down() {
  local host
  for host in $(host_names); do plain_stop "$host"; done
}

plain_in_tree() { (cd "$state/hosts/$1/root" && sh -s); }

plain_fault() { # HOST FAULT
  case $2 in
    freeze) plain_signal "$1" STOP ;;
    thaw) plain_signal "$1" CONT ;;
    power-cut) plain_stop "$1" ;;
    power-on) [ -n "$(plain_pids "$1")" ] || plain_start "$1" ;;
    clear)
      plain_signal "$1" CONT
      [ -n "$(plain_pids "$1")" ] || plain_start "$1"
      ;;
    *) fault_cannot "$2" ;;
  esac
}
