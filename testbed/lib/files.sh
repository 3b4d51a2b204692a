# shellcheck shell=bash
# What the state folder tells others: testbed.json, ssh_config, known_hosts and an inventory.

# What a login takes.
files_write_ssh() {
  files_known_hosts >"$state/known_hosts"
  files_ssh_config >"$state/ssh_config"
  chmod 600 "$state/known_hosts" "$state/ssh_config"
}

files_write() {
  files_inventory >"$state/fleet.yaml"
  chmod 600 "$state/fleet.yaml"
  files_json >"$state/testbed.json.part"
  mv "$state/testbed.json.part" "$state/testbed.json" # last: it says that all is there
}

files_known_hosts() {
  local host address port key
  for host in $(host_names); do
    address=$("${kind}_address" "$host") port=$("${kind}_port" "$host")
    [ "$port" = 22 ] || address="[$address]:$port"
    for key in "$state/identity/$host"/ssh_host_*_key.pub; do
      echo "$address,$host $(cut -d' ' -f1,2 "$key")"
      [ -z "$(host_dropbear "$host")" ] ||
        echo "[$("${kind}_address" "$host")]:$(host_dropbear "$host"),$host-dropbear $(cut -d' ' -f1,2 "$key")"
    done
  done
}

files_ssh_config() {
  local host
  for host in $(host_names); do
    cat <<END
Host $host
  HostName $("${kind}_address" "$host")
  Port $("${kind}_port" "$host")
  User $("${kind}_user")

END
    [ -z "$(host_dropbear "$host")" ] || cat <<END
Host $host-dropbear
  HostName $("${kind}_address" "$host")
  Port $(host_dropbear "$host")
  User $("${kind}_user")

END
  done
  cat <<END
Host *
  IdentityFile $state/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $state/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  PasswordAuthentication no
  LogLevel ERROR
END
}

files_inventory() {
  local host prefix able
  able=" $("${kind}_capabilities" | tr -s '\n' ' ') "
  cat <<END
# The test bed's inventory, written by \`testbed up\`.
version: 1
store: checkpoints
defaults:
  user: $("${kind}_user")
  keep: { last: 10, daily: 14, monthly: 6 }
  max_age: 20m
profiles:
END
  # Where every host's tree lies under a prefix of its own, each host has its own profile.
  for host in prod-vm dev-vm; do
    prefix=$("${kind}_prefix" "$host")
    if [ -n "$prefix" ]; then
      files_plain_profile "translation-$host" "$prefix"
    elif [ "$host" = prod-vm ]; then
      files_profiles
    fi
  done
  echo 'hosts:'
  for host in $(host_names); do
    prefix=$("${kind}_prefix" "$host")
    echo "  $host:"
    echo "    env: $(host_field "$host" env)"
    [ "$(host_field "$host" access)" = read-only ] || echo '    access: writable'
    echo "    address: $("${kind}_address" "$host")"
    [ "$("${kind}_port" "$host")" = 22 ] || echo "    port: $("${kind}_port" "$host")"
    if [ "$host" = new-vm ]; then
      continue
    elif [ -n "$prefix" ]; then
      echo "    use: [translation-$host]"
    else
      echo "    use: [$(files_profile_names)]"
    fi
  done
}

# The ready-made profiles of all that the hosts run. One that takes what this test bed lacks is left
# out, or smaller.
files_profile_names() {
  local names=translation
  ! files_able postgres || names="$names, monitoring"
  ! files_able http || ! files_able pip || names="$names, gateway"
  echo "$names"
}

files_able() { case $able in *" $1 "*) ;; *) return 1 ;; esac; }

files_profiles() {
  local name
  for name in $(files_profile_names | tr -d ,); do
    if [ "$name" = translation ] && ! files_able asterisk; then
      files_plain_profile translation '' ', sudo: true'
      continue
    fi
    # The gateway's key lies in a file here, so that nobody has to set an environment for it.
    sed -n "/^profiles:/,/^hosts:/{/^profiles:/d;/^hosts:/d;/^\$/d;s|{ env: GATEWAY_AUTHORIZATION }|{ file: $state/gateway-authorization }|;p}" \
      "$bed_dir/../inventory/$name.yaml"
  done
}

# What takes nothing but files.
files_plain_profile() { # NAME PREFIX [SUDO]
  cat <<END
  $1:
    sources:
      app:
        directory: $2/home/azureuser/translation-app
        exclude: [node_modules/, checkpoints/, .git/, "*.log", "*.wav", "*.bak"]
      asterisk: { directory: $2/etc/asterisk${3:-} }
      homer:
        directories: [$2/opt/homer-app, $2/opt/homer-docker, $2/opt/homer-ui]
        exclude: [data/]
        optional: true$([ -z "${3:-}" ] || printf '\n        sudo: true')
      grafana: { directory: $2/etc/grafana, optional: true }
      units: { directory: $2/etc/systemd/system }
END
}

# Words of any number of lines, as the members of a JSON array.
files_words() { tr -s ' \n' '  ' | sed 's/^ //; s/ $//; s/[^ ][^ ]*/"&",/g; s/,$//'; }

files_json() {
  local host root
  cat <<END
{
  "version": 1,
  "name": "$bed_name",
  "kind": "$kind",
  "state": "$state",
  "ssh_config": "$state/ssh_config",
  "known_hosts": "$state/known_hosts",
  "identity": "$state/id_ed25519",
  "inventory": "$state/fleet.yaml",
  "capabilities": [$("${kind}_capabilities" | files_words)],
  "lost": [$("${kind}_lost" | files_words)],
  "secrets": {"clerk": "$state/clerk-password", "database": "$state/database-password", "gateway": "$state/gateway-key", "authorization": "$state/gateway-authorization"},
  "missing": [
$("${kind}_missing" | sed 's/^\([^:]*\): \(.*\)$/    {"what": "\1", "why": "\2"},/; $s/,$//')
  ],
  "hosts": [
END
  for host in $(host_names); do
    root=$("${kind}_root" "$host")
    printf '    {"name": "%s", "address": "%s", "port": %s, "user": "%s", "env": "%s", "access": "%s", "accounts": [%s], "dropbear": %s, "root": %s}%s\n' \
      "$host" "$("${kind}_address" "$host")" "$("${kind}_port" "$host")" "$("${kind}_user")" \
      "$(host_field "$host" env)" "$(host_field "$host" access)" "$(host_accounts "$host" | files_words)" \
      "$(port=$(host_dropbear "$host") && echo "${port:-null}")" "$([ -n "$root" ] && echo "\"$root\"" || echo null)" "$([ "$host" = new-vm ] || echo ,)"
  done
  printf '  ]\n}\n'
}

files_status() {
  local host answer
  if [ ! -e "$state/testbed.json" ]; then
    echo "test bed \`$bed_name\` is not up ($state)"
    return 3
  fi
  echo "test bed \`$bed_name\`: $kind, $state"
  for host in $(host_names); do
    if ready_logins "$host"; then
      answer="logins work: $(host_accounts "$host" | tr '\n' ' ')"
    else
      answer="logins fail: $(ready_refusal "$host")"
    fi
    printf '%-8s %-9s %-5s %-16s %s\n' "$host" "$(host_field "$host" access)" "$(host_field "$host" env)" \
      "$("${kind}_address" "$host"):$("${kind}_port" "$host")" "$answer"
  done
  "${kind}_missing" | sed 's/^/missing  /'
}
