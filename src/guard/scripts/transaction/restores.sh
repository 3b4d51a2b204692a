# shellcheck shell=sh
# Lists the restores that are under way or unfinished on this host, of root and of the account that asks:
#
#   record ID OWNER MODE          then lines of hexadecimal bytes, each begins with a blank: its text
#   root N STATE DEVICE INODE OWNER MODE ID
#                                 how its Nth root is now; OWNER, MODE and ID are those of the folder in it
#   place N DEVICE INODE          where it was when the restore began
#   committed                     everything is in place, and only the end is left
#   running PID                   a script works for it
#
# and for each root of the request
#
#   mark N STATE DEVICE INODE OWNER MODE ID
#
# STATE is `lost` for a root that cannot be entered and `foreign` for a folder that is not this account's
# alone. What is not known is `-`.

# Prints how the root $1 is, behind the words $2.
report() {
(
  z='- -'
  state=lost f='- - -'
  if cd -P -- "$1" 2>/dev/null && z=$(stat -c '%d %i' .); then
    look
    y=
    case $state in
    none) ;;
    over) y=$T.over ;;
    *) y=$T ;;
    esac
    case $y in
    ?*)
      f="$(stat -c '%U %a' -- "$y" 2>/dev/null || echo '- -') $(named "$y/id")"
      if [ -L "$y" ] || [ ! -d "$y" ] || ! ours "$y"; then state=foreign; fi ;;
    esac
  fi
  echo "$2 $state $z $f"
)
}

list() {
for rec in "$1"/*; do
  case ${rec##*/} in '*' | *[!A-Za-z0-9._-]*) continue ;; esac
  if [ -L "$rec" ] || [ ! -d "$rec" ]; then continue; fi
  printf 'record %s %s\n' "${rec##*/}" "$(stat -c '%U %a' -- "$rec")"
  if ! ours "$rec"; then continue; fi
  if [ -f "$rec/record" ]; then head -c 1048576 "$rec/record" | od -An -v -tx1; fi
  if [ -e "$rec/committed" ]; then echo committed; fi
  N=0
  while [ -e "$rec/root.$N" ]; do
    x=$(cat "$rec/root.$N"; echo .)
    report "${x%.}" "root $N"
    if [ -s "$rec/place.$N" ]; then echo "place $N $(cat "$rec/place.$N")"; fi
    N=$((N + 1))
  done
  for f in "$rec"/run.*; do
    p=${f##*/run.}
    case $p in '*') continue ;; esac
    if works "${p%.stage}" "$(cat "$f")"; then echo "running ${p%.stage}"; fi
  done
done
}

restores() {
set +f
list /var/lib/fleet/restore
list "${HOME%/}/.fleet-restores"
set -f
N=0
for k in $q; do
  case $k in root=*) dec "${k#*=}"; report "$x" "mark $N"; N=$((N + 1)) ;; esac
done
return 0
}
