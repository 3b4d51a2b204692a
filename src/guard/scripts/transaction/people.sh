# shellcheck shell=sh
# What the script for people does when it is run: see usage.sh, which is its head.

LC_ALL=C
export LC_ALL
umask 077
stubborn=
# The number of a device may change when a machine starts again.
any_device=yes
here=$(cd -P -- "$(dirname -- "$0")" && pwd)
case $here in
*/"$T") id=$(cat "$here/id") ;;
*) id=${here##*/} ;;
esac
locate || exit

# Without a record, the one root is described in a folder of its own.
if [ ! -d "$rec" ]; then
  case $here in */"$T") ;; *) fail 12 "there is no restore $id here" ;; esac
  rec=$here/alone
  mkdir -p "$rec"
  printf %s "${here%/"$T"}" >"$rec/root.0"
  stat -c '%d %i' "${here%/"$T"}" >"$rec/place.0"
fi

say() {
look
echo "$root: $state"
}
onward_root() {
look
case $state in staged) prepare_root ;; esac
forward_root
}

case ${1-} in
forward)
  (set -eu; claim forward) || exit
  each_recorded onward_root ;;
back)
  (set -eu; claim back) || exit
  stubborn=yes
  each_recorded back_root ;;
done)
  (set -eu; claim finish) || exit
  each_recorded commit_root 2>/dev/null && (set -eu; commit_record)
  stubborn=yes
  each_recorded over_root
  s=$?
  case $s in 0) forget ;; *) release ;; esac
  exit "$s" ;;
'') ;;
*) fail 64 'sh finish [forward | back | done]' ;;
esac
s=$?
release
each_recorded say
exit "$s"
