# shellcheck shell=sh
# Runs a command of the operator's, with the directories of administrators' tools on the search path.
run() {
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
set --
for k in $q; do
  case $k in
  arg=*) dec "${k#*=}"; set -- "$@" "$x" ;;
  shell=*) dec "${k#*=}"; set -- sh -c "$x" ;;
  esac
done
command -v -- "$1" >/dev/null 2>&1 || { m=program; return 127; }
beat 5
case $sudo in
'') sh -c '"$@"' sh "$@" 5>&- ;;
*) $sudo "$@" 5>&- ;;
esac
}
