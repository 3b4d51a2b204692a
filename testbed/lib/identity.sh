# shellcheck shell=bash
# Keys and machine ids. They outlive `reset` and `down`, so that a host stays the same
# machine to whoever keeps a ledger of machines; `down --purge` forgets them.

identity_make() {
  local host dir type bits
  command -v ssh-keygen >/dev/null || die "no ssh-keygen here" "Install openssh-client."
  [ -e "$state/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -C "operator@$bed_name" -f "$state/id_ed25519"
  # What the seed says; each in a file, as an inventory may name it.
  echo invented-for-tests >"$state/clerk-password"
  echo invented-database >"$state/database-password"
  echo sk-test-invented-4000 >"$state/gateway-key"
  echo 'Bearer sk-test-invented-4000' >"$state/gateway-authorization"
  chmod 600 "$state"/{clerk-password,database-password,gateway-key,gateway-authorization}
  for host in $(host_names); do
    dir=$state/identity/$host
    [ -e "$dir/machine-id" ] && continue
    mkdir -p "$dir"
    for type in ed25519 ecdsa rsa; do
      rm -f "$dir/ssh_host_${type}_key"
      bits=$([ $type != rsa ] || echo '-b 2048') # the smallest that sshd takes, made in no time
      # shellcheck disable=SC2086 # an option and its value, or nothing
      ssh-keygen -q -t $type $bits -N '' -C "root@$host" -f "$dir/ssh_host_${type}_key" 9>&- &
    done
    wait
    # Random, but of the key: one file tells both.
    cksum_id <"$dir/ssh_host_ed25519_key.pub" >"$dir/machine-id"
  done
}

cksum_id() { { sha256sum 2>/dev/null || shasum -a 256; } | cut -c 1-32; }

# Writes into ROOT what makes a fresh tree this host: needs the owners to be writable.
identity_apply() { # HOST ROOT
  local host=$1 root=$2 user other
  cp "$state/identity/$host"/ssh_host_* "$root/etc/ssh/"
  chmod 600 "$root"/etc/ssh/ssh_host_*_key
  cat "$state/identity/$host/machine-id" >"$root/etc/machine-id"
  echo "$host" >"$root/etc/hostname"
  {
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$host"
    for other in $(host_names); do
      [ "$other" = "$host" ] || echo "$(inner_address "$other") $other"
    done
  } >"$root/etc/hosts"
  "$bed_dir/seed" host "$root" "$host"
  for user in "$root"/home/*; do
    user=${user##*/}
    mkdir -p "$root/home/$user/.ssh"
    cp "$state/id_ed25519.pub" "$root/home/$user/.ssh/authorized_keys"
    chmod 700 "$root/home/$user/.ssh"
    chmod 600 "$root/home/$user/.ssh/authorized_keys"
    chown -R --reference="$root/home/$user" "$root/home/$user/.ssh"
  done
}
