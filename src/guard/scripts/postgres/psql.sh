# shellcheck shell=sh
# Talks to a PostgreSQL server through psql, with the server's address from the request.

# Reads how the server is reached, for sessions that are called $1 and have the settings $2 more. What a
# database or a role sets for its sessions does not count in them.
pg_server() {
pg_path
c= host= port= cluster= local=yes
for k in $q; do
  dec "${k#*=}"
  case $k in
  host=*)
    host=$x
    case $x in /* | localhost | 127.* | ::1) ;; *) local= ;; esac ;;
  port=*) port=$x ;;
  user=*) pair user "$x" ;;
  timeout=*) pair connect_timeout "$x" ;;
  esac
done
session=$1
pair application_name "$1"
pair client_encoding UTF8
pair options "-c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0 -c client_min_messages=warning $2"
server=$c
command -v psql >/dev/null || { m=program; return 127; }
case $host:$port in :?*) cluster=$(cluster "$port" psql 5>&-) ;; esac
}

# Runs psql on the database $1.
ask() {
c=$server
pair dbname "$1"
shift
$sudo psql ${cluster:+"--cluster=$cluster"} ${host:+"--host=$host"} ${port:+"--port=$port"} \
  -X -q -A -t -w -v ON_ERROR_STOP=1 "$@" "--dbname=$c" 5>&-
}

# Sets $main to a database from which others can be created and renamed: not the one called $1.
maintenance() {
for main in postgres template1; do
  case $main in
  "$1") ;;
  *) if ask "$main" -c 'SELECT 1' >/dev/null 2>&1; then return; fi ;;
  esac
done
ask "$main" -c 'SELECT 1' >/dev/null
}
