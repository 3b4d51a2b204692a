# shellcheck shell=bash
# Part of `seed`: the monitoring system, its recordings and its database.
# shellcheck disable=SC2154 # root, here, epoch, operator: `seed` sets them

# The empty server that a package leaves, with small segments: each host copies them.
seed_cluster() {
  local version
  [ -x "$root/usr/bin/pg_createcluster" ] || return 0
  for version in "$root"/usr/lib/postgresql/*; do
    version=${version##*/}
    [ ! -e "$root/etc/postgresql/$version/main" ] || inside 0:0 pg_dropcluster --stop "$version" main
    inside 0:0 pg_createcluster --locale C.UTF-8 "$version" main -- --wal-segsize=1 >/dev/null
  done
}

# Five tables with rows, loaded into the tree's own server, which runs for a moment.
seed_database() {
  local version control failed=no postgres
  [ -x "$root/usr/bin/pg_createcluster" ] || return 0
  postgres=$(owner_of postgres 0:0)
  version=$(ls "$root/etc/postgresql")
  control="/usr/lib/postgresql/$version/bin/pg_ctl -s -w -D /var/lib/postgresql/$version/main"
  # shellcheck disable=SC2086 # words
  inside "$postgres" $control -l /tmp/seed-database.log \
    -o "-c config_file=/etc/postgresql/$version/main/postgresql.conf -c listen_addresses= -c unix_socket_directories=/tmp -c ssl=off -c fsync=off" start
  inside "$postgres" psql -X -q -h /tmp -d postgres -f - <"$here/seed-database.sql" || failed=yes
  # shellcheck disable=SC2086
  inside "$postgres" $control -m fast stop
  rm -f "$root/tmp/seed-database.log"
  [ "$failed" = no ] || { echo 'seed: the database could not be filled' >&2 && exit 1; }
}

# What the monitoring stations recorded: the segments that the database names.
seed_monitoring() {
  local n tap i dir
  for n in 1 2 3 4 5 6 7 8; do
    for tap in PRE POST; do
      dir=/var/monitoring/audio/2025-10-11/trace_000$n/St_3/$tap
      mkdir -p "$root$dir"
      for i in 1 2 3; do
        awk -v n="$n$i" 'BEGIN { printf "RIFF"; for (i = 0; i < 800; i++) printf "%04d ", (i * n * 7) % 9973 }' >"$root$dir/segment-$i.wav"
      done
    done
  done
  put /var/monitoring/logs/stations.log 644 <<<'2025-10-11T08:37:00Z station St_3 attached'
  stamp "$root/var/monitoring"
  own "$operator" "$root/var/monitoring"
  put /home/azureuser/.pgpass 600 <<<'127.0.0.1:5432:monitoring_v2:reader:invented-reader'
  touch -d "@$epoch" "$root/home/azureuser/.pgpass"
  own "$operator" "$root/home/azureuser/.pgpass"
}
