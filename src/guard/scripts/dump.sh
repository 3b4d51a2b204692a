# shellcheck shell=sh
# Dumps a database, its settings, or the roles of a server. A password is the first line of the data.

dump() {
pg_path
c= tool=pg_dump host= port=
set -- --no-password
for k in $q; do
  dec "${k#*=}"
  case $k in
  globals=1) tool=pg_dumpall; set -- "$@" --globals-only ;;
  lock=*) set -- "$@" "--lock-wait-timeout=$x" ;;
  only=schema) set -- "$@" --schema-only ;;
  # All schemas less all schemas: nothing but the database itself. That reads and locks no table.
  only=settings) set -- "$@" --create --schema-only '--schema=*' '--exclude-schema=*' ;;
  format=*) set -- "$@" "--format=$x" ;;
  db=*) pair dbname "$x" ;;
  host=*) host=yes; set -- "$@" "--host=$x" ;;
  port=*) port=$x; set -- "$@" "--port=$x" ;;
  user=*) pair user "$x" ;;
  timeout=*) pair connect_timeout "$x" ;;
  esac
done
command -v $tool >/dev/null || { m=program; return 127; }
beat 5
case $host:$port in
:?*)
  x=$(cluster "$port" $tool 5>&-)
  case $x in ?*) set -- "--cluster=$x" "$@" ;; esac ;;
esac
$sudo $tool "$@" "--dbname=$c" 5>&-
}
