# shellcheck shell=sh
# Which machine is it, and what can it do? Answers `key=value` lines. Nothing that it reads is evaluated,
# and the shell does what it can by itself.

# The first line of what "$@" prints, into $x.
first() {
x=$("$@" 2>&1)
x=${x%%"
"*}
}

probe() {
if [ -r /proc/sys/kernel/osrelease ]; then
  read -r x </proc/sys/kernel/ostype
  read -r y </proc/sys/kernel/hostname
  read -r z </proc/sys/kernel/osrelease
  set -- "$x" "$y" "$z"
else set -- $(uname -snr)
fi
printf 'uname=%s %s\nhostname=%s\nkernel=%s\n' "$1" "$3" "$2" "$3"
first id
x=${x#uid=} y=${x%%[!0-9]*}
case $x in
"$y("*) x=${x#*"("}; x=${x%%")"*} ;;
*) x=$y ;;
esac
printf 'account=%s\nuid=%s\n' "$x" "$y"
while IFS= read -r x; do
  case $x in PRETTY_NAME=*) printf 'os=%s\n' "${x#*=}"; break ;; esac
done 2>/dev/null </etc/os-release
printf 'clock=%s\n' "$(date +%s.%N)"
first find --version
gnu=
case $x in *'GNU findutils'*) gnu=yes ;; esac
printf 'find=%s\n' "$x"
first tar --version
printf 'tar=%s\n' "$x"
for t in find tar sh sudo setsid zstd gzip sha256sum nice; do
  command -v $t >/dev/null 2>&1 && printf 'tool=%s\n' $t
done
# The lines of the mount table are ID PARENT DEVICE ROOT POINT OPTIONS [TAG…] - TYPE SOURCE OPTIONS. The
# machine's id is one word; it comes last, for it need not end with a line end.
x=$(cat /proc/self/mountinfo /etc/machine-id 2>/dev/null)
IFS="
"
set -- $x
unset IFS
for l; do
  set -- $l
  x=${l#* - }
  case $# in
  0) ;;
  1) printf 'machine_id=%s\n' "$1" ;;
  *) printf 'mount=%s %s %s\n' "$3" "${x%% *}" "$5" ;;
  esac
done
case $verb in
facts) return ;;
esac
x=$(df -Pk / 2>/dev/null)
set -- ${x##*"
"}
printf 'free_kib=%s\n' "$4"
case " $q " in *' sudo=1 '*)
  if [ "$y" = 0 ]; then x=root
  elif ! command -v sudo >/dev/null 2>&1; then x=missing
  elif sudo -n -- sh -c : >/dev/null 2>&1; then x=yes
  elif sudo -n -- find --version >/dev/null 2>&1 && sudo -n -- tar --version >/dev/null 2>&1; then x=tools
  else x=no; fi
  printf 'sudo=%s\n' "$x" ;;
esac
return 0
}
