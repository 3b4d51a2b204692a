# shellcheck shell=sh
# Tells the state of units, and which processes run a command. Changes nothing.

# `systemctl show` prints a paragraph a unit, in the order asked for, also for those that there are not.
units() {
$ctl show -p Id,Names,LoadState,ActiveState,SubState,ActiveEnterTimestampMonotonic,Type,Result,NeedDaemonReload,TimeoutStopUSec,Job,TriggeredBy,UpheldBy,WantedBy,RequiredBy,RequisiteOf,BoundBy,ConsistsOf,PropagatesStopTo -- "$@"
}

# The processes that run a command, as lines `process NUMBER PID START`. $tail has the bytes of its
# arguments in hexadecimal, the program without its folder; of the process, the folder is passed over.
# What all its arguments are is only read of processes that have one of them, $part.
processes() {
for f in $(set +f; grep -l -F -e "$part" /proc/[0-9]*/cmdline 2>/dev/null); do
  pid=${f#/proc/} pid=${pid%/cmdline}
  started "$pid" || continue
  v=$y
  c=$(od -An -v -tx1 "$f" 2>/dev/null | tr -d '\n')
  case $c in
  "$tail") ;;
  *" 2f$tail") case ${c%"$tail"} in *' 00'*) continue ;; esac ;;
  *) continue ;;
  esac
  case $owner in
  own)
    o=
    while read -r a o x; do case $a in Uid:) break ;; esac; done 2>/dev/null <"/proc/$pid/status"
    [ "$o" = "$uid" ] || continue ;;
  esac
  case $dir in
  ?*)
    c=$($sudo readlink "/proc/$pid/cwd" 2>/dev/null)
    case $c in '') continue ;; "$dir" | "$real" | "$dir (deleted)" | "$real (deleted)") ;; *) continue ;; esac ;;
  esac
  # Another process may have taken its number while it was looked at.
  started "$pid" || continue
  [ "$y" = "$v" ] || continue
  printf 'process %s %s %s\n' "$number" "$pid" "$v"
done
}

services() {
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
set --
for k in $q; do
  case $k in unit=*) dec "${k#*=}"; set -- "$@" "$x" ;; esac
done
case $# in
0) ;;
*)
  manager
  case $? in
  0) echo '[units]'; units "$@" || return ;;
  3) echo '[no manager]' ;;
  *) return 127 ;;
  esac ;;
esac
echo '[processes]'
case " $q " in *' process=1 '*) ;; *) return 0 ;; esac
[ -r /proc/self/stat ] || { m=program; return 127; }
read -r x </proc/sys/kernel/random/boot_id && printf 'boot %s\n' "$x"
uid=$($sudo id -u)
number=0 owner=own dir= real= tail= part=
for k in $q; do
  dec "${k#*=}"
  case $k in
  owner=*) owner=$x ;;
  cwd=*) dir=$x; real=$(cd -P -- "$dir" 2>/dev/null && pwd) ;;
  tail=*) tail=$x ;;
  part=*) part=$x ;;
  process=1)
    processes
    number=$((number + 1)) owner=own dir='' real='' ;;
  esac
done
return 0
}
