# shellcheck shell=sh
# Stops and starts units and processes, and runs what makes a service read its files again.

# Sends the signal $1 to each process "$2…", given as PID and start time, that is still the same.
signal() {
i=$1
shift
for x do
  started "${x% *}" || continue
  [ "$y" = "${x#* }" ] || continue
  $sudo kill -s "$i" "${x% *}" || ! started "${x% *}" || return 1
done
}

# Starts a process that outlives this connection: in a session of its own, without a terminal, its output
# thrown away. Prints its number, once it is in that session: what is left in this one will be killed.
launch() {
# The parent that sudo stays would hold the output, and would have to be ended with this session.
a=
case $sudo in
'') ;;
runuser*)
  command -v setpriv >/dev/null || { m=program; return 127; }
  eval "HOME=~$as" USER="$as" LOGNAME="$as"
  a="setpriv --reuid=$as --regid=$(id -g -- "$as") --init-groups" ;;
*) m=sudo; return 71 ;;
esac
command -v setsid >/dev/null || { m=program; return 127; }
cd -- "$dir" || return 73
command -v -- "$1" >/dev/null || { m=program; return 127; }
# shellcheck disable=SC2016 # for the new shell
pid=$(setsid $a sh -c 'p=$1; shift; echo $$
  exec env -i PATH="$p" HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" SHELL=/bin/sh "$@" >/dev/null' \
  sh "$PATH" "$@" </dev/null 2>/dev/null 5>&- 6>&- &)
printf 'pid %s\n' "$pid"
}

service() {
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
do='' dir=/
set --
for k in $q; do
  dec "${k#*=}"
  case $k in
  do=*) do=$x ;;
  cwd=*) dir=$x ;;
  unit=* | process=* | arg=*) set -- "$@" "$x" ;;
  esac
done
case $do in
term | kill) case $do in term) signal TERM "$@" ;; *) signal KILL "$@" ;; esac ;;
launch) launch "$@" ;;
run)
  cd -- "$dir" || return 73
  command -v -- "$1" >/dev/null || { m=program; return 127; }
  beat 5
    $sudo "$@" 5>&- ;;
*)
  manager || return
  beat 5
  case $do in
  stop) $ctl stop --no-block -- "$@" 5>&- ;;
  start) $ctl start --no-block -- "$@" 5>&- ;;
  # Makes a target active without what it wants.
  alone) $ctl start --no-block --job-mode=ignore-dependencies -- "$@" 5>&- ;;
  reset) $ctl reset-failed -- "$@" 5>&- ;;
  daemon-reload) $ctl daemon-reload 5>&- ;;
  *) m=verb; return 77 ;;
  esac ;;
esac
}
