# shellcheck shell=sh
# Asks a PostgreSQL server for a row of a database that holds nothing but a number. Names go into a
# connection string, see `pair`.
answers() {
set +f
p=
for d in /usr/local/pgsql/bin /usr/pgsql-[1-9][0-9]/bin /usr/lib/postgresql/[1-9][0-9]/bin; do
  if [ -d "$d" ]; then p=:$d$p; fi
done
set -f
PATH=$PATH$p
export PATH
c=
for k in $q; do
  dec "${k#*=}"
  case $k in
  db=*) pair dbname "$x" ;;
  timeout=*) pair connect_timeout "$x" ;;
  esac
done
command -v psql >/dev/null || { m=program; return 127; }
beat 5
$sudo psql --no-psqlrc --no-password --quiet --no-align --tuples-only --command='SELECT 1' "--dbname=$c" 5>&-
}
