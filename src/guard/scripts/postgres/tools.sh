# shellcheck shell=sh
# How PostgreSQL's tools are found and told their server. Names go into a connection string, each quoted,
# and `dbname` in it is a name whatever it looks like. Host and port are options of their own: Debian's
# wrapper, which picks the version and the cluster, looks for `--host` and `--port` among the arguments.

# Appends the pair $1='$2' to the connection string $c, in libpq's own quoting. A `=` is quoted because
# the wrapper takes `service=` anywhere in an argument for the name of a service.
pair() {
v=$2 o=
while :; do
  case $v in
  *[\\\'=]*) a=${v%%[\\\'=]*}; v=${v#"$a"}; o=$o$a\\${v%"${v#?}"}; v=${v#?} ;;
  *) break ;;
  esac
done
c="$c${c:+ }$1='$o$v'"
}

# Prints the cluster VERSION/NAME that runs at the port $1, if the tool $2 is Debian's wrapper. The one of
# Debian 11 takes the default cluster's socket folder and version whatever the port is, and a newer one
# the right version, but never the socket folder of the cluster.
cluster() {
case $(readlink "$(command -v "$2")") in *pg_wrapper) ;; *) return ;; esac
pg_lsclusters --no-header | {
  f=
  while read -r v w a y o; do case $a/$y in "$1"/online*) f=$v/$w ;; esac; done
  echo "$f"
}
} 2>/dev/null

# Puts the folders of the tools on the search path, on hosts that don't have them there, the newest first.
pg_path() {
set +f
p=
for d in /usr/local/pgsql/bin /usr/pgsql-[1-9][0-9]/bin /usr/lib/postgresql/[1-9][0-9]/bin; do
  if [ -d "$d" ]; then p=:$d$p; fi
done
set -f
PATH=$PATH$p
export PATH
}
