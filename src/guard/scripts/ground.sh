# shellcheck shell=sh
# Tells how much is free where a restore puts something, and which of the listed paths resist every change.

# Prints `space N BLOCK FREE AVAILABLE INODES FREE_INODES` of the file system of the directory $1, the root
# number $N: the bytes of a block, blocks that are free for root and for others, and inodes; 0 inodes mean
# that it counts none, `-` that nothing tells.
space() {
y=$(stat -f -c '%S %f %a %c %d' -- "$1" 2>/dev/null)
case $y in
[0-9]*) ;;
*)
  y=$(df -Pk -- "$1" 2>/dev/null | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p')
  x=$(df -Pi -- "$1" 2>/dev/null | sed -n '$s/.* \([0-9][0-9]*\)  *[0-9]*  *\([0-9][0-9]*\)  *[0-9]*% .*/\1 \2/p')
  y="1024 ${y:--} ${y:--} ${x:-- -}" ;;
esac
printf 'space %s %s\n' "$N" "$y"
}

# Prints `read-only N` if the directory $1 is on a mount that is: the last one of the deepest ones above it.
read_only() {
if [ ! -r /proc/self/mountinfo ]; then return; fi
p= o=
while read -r _ _ _ _ m y x; do
  case $m in *\\*) m=$(printf %s "$m" | sed 's/\\/\\0/g'); m=$(printf %bx "$m"); m=${m%x} ;; esac
  case ${1%/}/ in
  "${m%/}"/*) if [ ${#m} -ge ${#p} ]; then p=$m o=$y,${x##* }; fi ;;
  esac
done </proc/self/mountinfo
case ,$o, in *,ro,*) printf 'read-only %s\n' "$N" ;; esac
}

# Of each path of the list: `fixed PATH` if it cannot be written though its mode would allow it, as `find`
# can tell, and `attributes FLAGS PATH` if it is immutable or append-only, as `lsattr` can tell.
ground() {
beat 5 3<&- 4>&-
N=0
for k in $q; do
  case $k in
  root=*)
    dec "${k#*=}"
    root=$x
    space "$root"
    read_only "$root"
    N=$((N + 1)) ;;
  esac
done
w=
# Only root may write whatever the mode says; the owner of a file gives himself the right.
if find / -maxdepth 0 -writable -printf '' >/dev/null 2>&1; then
  case $(id -u) in 0) w=any ;; *) w=-u=w ;; esac
fi
# shellcheck disable=SC2016
listed xargs -0 -r sh -c 'exec 2>/dev/null
w=$1
shift
case $w in
any) find "$@" -maxdepth 0 ! -writable -printf "fixed %p\n" ;;
?*) find "$@" -maxdepth 0 -perm "$w" ! -writable -printf "fixed %p\n" ;;
esac
if command -v lsattr >/dev/null; then
lsattr -d -- "$@" | sed -n "s,^\([A-Za-z-]*[ai][A-Za-z-]*\)  *\(/\),attributes \1 \2,p"
fi
:' sh "$w"
}
