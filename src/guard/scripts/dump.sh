# shellcheck shell=sh
# Dumps a database, or the roles of a server. Names go into a connection string, each quoted, and
# `dbname` in it is a name whatever it looks like. A password is the first line of the data.

# Appends the pair $1='$2' to the connection string $c, in libpq's own quoting.
pair() {
v=$2 o=
while :; do
  case $v in
  *[\\\']*) a=${v%%[\\\']*}; v=${v#"$a"}; o=$o$a\\${v%"${v#?}"}; v=${v#?} ;;
  *) break ;;
  esac
done
c="$c${c:+ }$1='$o$v'"
}

dump() {
# Where the tools are on hosts that don't have them on their search path, the newest first.
set +f
p=
for d in /usr/local/pgsql/bin /usr/pgsql-[1-9][0-9]/bin /usr/lib/postgresql/[1-9][0-9]/bin; do
  if [ -d "$d" ]; then p=:$d$p; fi
done
set -f
PATH=$PATH$p
export PATH
c= tool=pg_dump
set -- --no-password
for k in $q; do
  dec "${k#*=}"
  case $k in
  globals=1) tool=pg_dumpall; set -- "$@" --globals-only ;;
  lock=*) set -- "$@" "--lock-wait-timeout=$x" ;;
  only=schema) set -- "$@" --schema-only ;;
  format=*) set -- "$@" "--format=$x" ;;
  db=*) pair dbname "$x" ;;
  host=*) pair host "$x" ;;
  port=*) pair port "$x" ;;
  user=*) pair user "$x" ;;
  timeout=*) pair connect_timeout "$x" ;;
  esac
done
command -v $tool >/dev/null || { m=program; return 127; }
beat 5
$sudo $tool "$@" "--dbname=$c" 5>&-
}
