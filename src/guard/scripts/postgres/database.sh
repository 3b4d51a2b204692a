# shellcheck shell=sh
# Puts a database back: loads it beside the one that is there, and exchanges the names of both at the end.
# Which names exist says how far it is; every step may be repeated after it was cut off.
#
#   NAME           the database that others use
#   BESIDE         the new one, until the exchange; closed to connections once it is complete
#   OLD            the one that was there, from the exchange on; closed to connections
#   MARK           the beginning of the comment of BESIDE, also once it is called NAME: names the restore
#   CREATES        there was no NAME before
#
# The names are variables of psql, which quotes them. A lock for the name keeps restores apart.

database() {
step= format= size=0 name= beside= old= mark= id= creates=
for k in $q; do
  dec "${k#*=}"
  case $k in
  step=*) step=$x ;;
  format=*) format=$x ;;
  size=*) size=$x ;;
  name=*) name=$x ;;
  beside=*) beside=$x ;;
  old=*) old=$x ;;
  mark=*) mark=$x ;;
  id=*) id=$x ;;
  creates=*) creates=$x ;;
  esac
done
# What a database sets for its sessions must not keep it from being loaded.
pg_server "fleet restore $id" '-c default_transaction_read_only=off' 3<&- 4>&- || shut $?
pulse 3<&- 4>&-
case $step in
switch | back | drop_beside | drop_old) grace=8 ;;
esac
case $step in
roles | create | load) fed "step_$step" ;;
esac
{ exec >/dev/null 2>&1 4>&- 5>&-; watch; } &
w=$!
ended "step_$step" 3<&- 4>&-
shut $?
}

# Blank lines on standard error tell that a silent tool goes on. When nobody reads them, the connection is
# gone; behind data that waits, the end of the input would not be seen.
pulse() {
{ trap '' PIPE; while sleep 5 && kill -0 $$; do echo >&5 || end_group; done; } </dev/null >/dev/null 2>&1 &
b=$!
}

# Runs "$@"; a server goes on with a statement when its psql was killed, so its session is ended then. The
# shell itself must not end when it says of a psql that it was terminated, and nobody reads it.
ended() {
trap : TERM PIPE
"$@"
r=$?
case $r in
0) ;;
*)
  case ${main:-} in
  ?*)
    printf '%s\n' "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = :'session' AND pid <> pg_backend_pid() AND usename = current_user;" |
      ask "$main" -v session="$session" -f - >/dev/null 2>&1 ;;
  esac ;;
esac
return $r
}

# Runs "$@" with the data behind the request as its input, and closes.
#
# A connection that is lost looks like the end of the data, and psql would commit what it has: so the input
# of "$@" ends only when the line has come that follows all of it.
fed() {
maintenance "$name" 3<&- 4>&- || shut $?
{
  exec 2>/dev/null 4>&- 5>&-
  head -c "$size" <&3 || exit
  IFS= read -r x <&3 || end_group
  exec >&-
  case $group in session) watch ;; esac
} | { ended "$@" 3<&- 4>&-; shut $?; }
exit
}

# Runs the SQL of standard input on $main with the lock for the name. What it selects isn't shown.
locked() {
{
  printf '%s\n' "\\o /dev/null
SELECT set_config('fleet.name', :'name', false), set_config('fleet.beside', :'beside', false),
  set_config('fleet.old', :'old', false), set_config('fleet.mark', :'mark', false),
  set_config('fleet.id', :'id', false), set_config('fleet.creates', :'creates', false);
SET lock_timeout = '10s';
SELECT pg_advisory_lock(hashtext('fleet restore'), hashtext(:'name'));
SET lock_timeout = 0;"
  cat
} | ask "$main" -v name="$name" -v beside="$beside" -v old="$old" -v mark="$mark" -v id="$id" \
  -v creates="$creates" -f -
}

# What follows is SQL. These are the names in it.
qn="current_setting('fleet.name')" qb="current_setting('fleet.beside')" qo="current_setting('fleet.old')"
sql() { printf '%s\n' "$1"; }
is_there() { sql "EXISTS (SELECT FROM pg_database WHERE datname = $1)"; }
is_closed() { sql "EXISTS (SELECT FROM pg_database WHERE datname = $1 AND NOT datallowconn)"; }
# Whether the database $1 was made by this restore.
is_ours() {
sql "EXISTS (SELECT FROM pg_database d, shobj_description(d.oid, 'pg_database') c
  WHERE datname = $1 AND left(c, length(current_setting('fleet.mark'))) = current_setting('fleet.mark'))"
}

# Ends when another restore is under way for the name.
sql_alone() {
sql "DO \$f\$
DECLARE other text; m text := ' of ' || $qn;
BEGIN
  SELECT substr(c, 15, 12) INTO other FROM pg_database d, shobj_description(d.oid, 'pg_database') c
    WHERE left(c, 14) = 'fleet restore ' AND substr(c, 15, 12) <> current_setting('fleet.id')
    AND (substr(c, 27) = m OR left(substr(c, 27), length(m) + 2) = m || ': ');
  IF FOUND THEN RAISE EXCEPTION 'fleet: busy %', other; END IF;
END \$f\$;"
}

# Ends all sessions on the databases $1 and waits until there are none.
sql_empty() {
sql "DO \$f\$
DECLARE until timestamptz := clock_timestamp() + interval '15 seconds'; left_over bigint;
BEGIN
  LOOP
    PERFORM pg_stat_clear_snapshot();
    SELECT count(pg_terminate_backend(pid)) INTO left_over FROM pg_stat_activity
      WHERE datname IN ($1) AND pid <> pg_backend_pid();
    EXIT WHEN left_over = 0;
    IF clock_timestamp() > until THEN RAISE EXCEPTION 'fleet: sessions %', left_over; END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
END \$f\$;"
}

# Drops the database $1, whose name psql has as $2.
sql_drop() {
sql "SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', datname) FROM pg_database WHERE datname = $1
\\gexec
SELECT format('ALTER DATABASE %I IS_TEMPLATE false', datname) FROM pg_database WHERE datname = $1 AND datistemplate
\\gexec"
sql_empty "$1"
sql "DROP DATABASE IF EXISTS :\"$2\";"
}

# Opens the database of the name again if this restore has closed it and not exchanged it.
sql_open() {
sql "DO \$f\$ BEGIN
  IF $(is_there "$qb") AND $(is_closed "$qn") THEN
    EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS true', $qn);
  END IF;
END \$f\$;"
}

# Makes the roles of the data.
step_roles() { ask "$main" -f - >/dev/null; }

# Makes BESIDE by the statements of the data. One of an earlier attempt is dropped first.
step_create() {
{
  sql_alone
  sql_drop "$qb" beside
  cat
  sql "DO \$f\$ BEGIN
    EXECUTE format('COMMENT ON DATABASE %I IS %L', $qb, current_setting('fleet.mark') || coalesce(': ' ||
      (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $qb), ''));
  END \$f\$;"
} | locked
}

# Loads the dump of the data into BESIDE. Where psql knows \restrict, nothing in a dump is a command to it.
step_load() {
case $format in
custom)
  command -v pg_restore >/dev/null || { m=program; return 127; }
  c=$server
  pair dbname "$beside"
  $sudo pg_restore ${cluster:+"--cluster=$cluster"} ${host:+"--host=$host"} ${port:+"--port=$port"} \
    --no-password --single-transaction --exit-on-error "--dbname=$c" 5>&- ;;
*)
  t=
  if printf '\\restrict x\n\\unrestrict x\n' | ask "$main" -f - >/dev/null 2>&1; then t=$n; fi
  {
    case $t in ?*) printf '\\restrict %s\n' "$t" ;; esac
    cat
    case $t in ?*) printf '\n\\unrestrict %s\n' "$t" ;; esac
  } | ask "$beside" --single-transaction -f - >/dev/null ;;
esac
}

# Completes BESIDE: analyses it, tells how many rows its tables have, and closes it.
step_complete() {
maintenance "$name" || return
printf '%s\n' "ANALYZE;
SELECT format('SELECT json_build_array(%L, %L, count(*)) FROM ONLY %I.%I', nspname, relname, nspname, relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'r' AND nspname !~ '^pg_'
  AND nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend e
    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e') ORDER BY nspname, relname
\\gexec" | ask "$beside" -f - || return
# shellcheck disable=SC2016
sql 'ALTER DATABASE :"beside" ALLOW_CONNECTIONS false;' | locked
}

# Exchanges the names, and opens the new database under the name. If that fails, the old one is open again.
step_switch() {
maintenance "$name" || return
{
  sql_alone
  sql "DO \$f\$ BEGIN
    IF NOT $(is_there "$qb") THEN
      IF $(is_ours "$qn") THEN RETURN; END IF;
      RAISE EXCEPTION 'fleet: nothing to switch';
    END IF;
    IF NOT $(is_closed "$qb") OR NOT $(is_ours "$qb") THEN RAISE EXCEPTION 'fleet: incomplete'; END IF;
    IF $(is_there "$qo") THEN RAISE EXCEPTION 'fleet: old in the way'; END IF;
    IF $(is_there "$qn") = (current_setting('fleet.creates') = 'yes') THEN RAISE EXCEPTION 'fleet: changed'; END IF;
    IF $(is_there "$qn") THEN EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS false', $qn); END IF;
  END \$f\$;
  SELECT NOT $(is_there "$qb") AS done \\gset
  \\if :done
  \\q
  \\endif"
  sql_empty "$qn, $qb"
  sql "DO \$f\$ BEGIN
    IF $(is_there "$qn") THEN EXECUTE format('ALTER DATABASE %I RENAME TO %I', $qn, $qo); END IF;
    EXECUTE format('ALTER DATABASE %I RENAME TO %I', $qb, $qn);
    EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS true', $qn);
  END \$f\$;"
} | locked
r=$?
case $r in
0) ;;
*) sql_open | locked 2>/dev/null ;;
esac
return $r
}

# Gives the name back to the database that had it.
step_back() {
maintenance "$name" || return
{
  sql_open
  sql "SELECT $(is_there "$qb") OR NOT $(is_ours "$qn") AS done \\gset
  \\if :done
  \\q
  \\endif
  DO \$f\$ BEGIN
    IF $(is_there "$qo") = (current_setting('fleet.creates') = 'yes') THEN RAISE EXCEPTION 'fleet: old is gone'; END IF;
    EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS false', $qn);
  END \$f\$;"
  sql_empty "$qn, $qo"
  sql "DO \$f\$ BEGIN
    EXECUTE format('ALTER DATABASE %I RENAME TO %I', $qn, $qb);
    IF $(is_there "$qo") THEN
      EXECUTE format('ALTER DATABASE %I RENAME TO %I', $qo, $qn);
      EXECUTE format('ALTER DATABASE %I ALLOW_CONNECTIONS true', $qn);
    END IF;
  END \$f\$;"
} | locked
}

# Removes BESIDE: the database of the name is as it was.
step_drop_beside() {
maintenance "$name" || return
{
  sql_open
  sql_drop "$qb" beside
} | locked
}

# Removes OLD, and the mark of the new one: from here there is no way back.
step_drop_old() {
maintenance "$name" || return
{
  sql "DO \$f\$ BEGIN
    IF $(is_there "$qo") AND NOT $(is_ours "$qn") THEN RAISE EXCEPTION 'fleet: not switched'; END IF;
  END \$f\$;"
  sql_drop "$qo" old
  sql "DO \$f\$ BEGIN
    IF $(is_ours "$qn") THEN
      EXECUTE format('COMMENT ON DATABASE %I IS %L', $qn, (SELECT nullif(substr(shobj_description(oid, 'pg_database'),
        length(current_setting('fleet.mark')) + 3), '') FROM pg_database WHERE datname = $qn));
    END IF;
  END \$f\$;"
} | locked
}
