# shellcheck shell=sh
# Tells what a PostgreSQL server has and what is in some of its databases: a JSON object a line, each with
# one key. What can't be told is left out, with the reason on standard error.
#
#   server      version, rights of the role, roles, extensions, tablespaces, collations, all databases
#   machine     system identifier and data directory, for a superuser
#   free_kib    free space of the data directory, on a host that is the server
#   locales     a list, on a host that is the server
#   database    what is in one of the databases of the request
#   rows        of that database: how many rows its tables have, if they are counted within the limit
databases() {
pg_server fleet '-c default_transaction_read_only=on' || return
beat 5
maintenance '' || return
printf '%s\n' "
SELECT json_build_object('server', json_build_object(
  'number', current_setting('server_version_num')::int,
  'version', current_setting('server_version'),
  'role', current_user,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'createdb', (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user),
  'createrole', (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
  'roles', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles),
  'tablespaces', (SELECT coalesce(json_agg(spcname), '[]') FROM pg_tablespace),
  'extensions', (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions),
  'collations', (SELECT coalesce(json_agg(DISTINCT collcollate), '[]') FROM pg_collation WHERE collcollate <> ''),
  'databases', (SELECT json_agg(json_build_object(
    'name', datname,
    'allow', datallowconn,
    'owner', pg_get_userbyid(datdba),
    'encoding', pg_encoding_to_char(encoding),
    'collate', datcollate,
    'ctype', datctype,
    'comment', shobj_description(oid, 'pg_database'),
    'sessions', (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.pid <> pg_backend_pid()),
    'prepared', (SELECT count(*) FROM pg_prepared_xacts p WHERE p.database = d.datname),
    'slots', (SELECT count(*) FROM pg_replication_slots s WHERE s.database = d.datname),
    'subscriptions', (SELECT count(subname) FROM pg_subscription s WHERE s.subdbid = d.oid)
  )) FROM pg_database d)));" | ask "$main" -f - || return
ask "$main" -c "SELECT json_build_object('machine', json_build_object(
  'system_identifier', (SELECT system_identifier FROM pg_control_system())::text,
  'data_directory', current_setting('data_directory')))" 2>/dev/null
case $local in
yes)
  d=$(ask "$main" -c 'SHOW data_directory' 2>/dev/null) &&
    $sudo df -Pk -- "$d" 2>/dev/null | { read -r o; read -r o o o v o; echo "{\"free_kib\":\"$v\"}"; }
  printf '{"locales":"%s"}\n' "$(locale -a 2>/dev/null | tr -cd 'A-Za-z0-9_.@\n-' | tr '\n' ' ')" ;;
esac
limit=5
for k in $q; do case $k in limit=*) limit=${k#*=} ;; esac; done
for k in $q; do
  case $k in db=*) dec "${k#*=}"; inside "$x" ;; esac
done
return 0
}

# Tells what is in the database $1.
inside() {
# shellcheck disable=SC2016
own="(SELECT c.oid, c.relname, n.nspname, c.relkind, c.reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')) own"
printf '%s\n' "
SELECT json_build_object('database', json_build_object(
  'name', current_database(),
  'size', pg_database_size(current_database()),
  'relations', (SELECT count(*) FROM $own WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')),
  'functions', (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend e
      WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')),
  'schemas', (SELECT count(*) FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')),
  'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
  'estimated_rows', (SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM $own WHERE relkind IN ('r', 'm')),
  'extensions', (SELECT coalesce(json_agg(extname), '[]') FROM pg_extension)));" | ask "$1" -f - || return
printf '%s\n' "
SET statement_timeout = '${limit}s';
DO \$f\$
DECLARE q text; n bigint; t bigint := 0;
BEGIN
  FOR q IN SELECT format('SELECT count(*) FROM ONLY %I.%I', nspname, relname) FROM $own WHERE relkind = 'r' LOOP
    EXECUTE q INTO n;
    t := t + n;
  END LOOP;
  PERFORM set_config('fleet.rows', t::text, false);
END \$f\$;
SELECT json_build_object('rows', json_build_object('name', current_database(), 'count', current_setting('fleet.rows')::bigint));" |
  ask "$1" -f - 2>/dev/null
}
