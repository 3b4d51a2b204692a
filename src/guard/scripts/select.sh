# shellcheck shell=sh
# Asks a PostgreSQL server for a row of a database that holds nothing but a number. Names go into a
# connection string, see `pair`.
answers() {
pg_path
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
