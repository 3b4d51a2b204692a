# shellcheck shell=sh
# Begins a restore: its record first, then the staging folder of each root. `mkdir` is the lock of each.

# Makes the folder $1 and those above it, and leaves the times of the folders that hold them. Another restore
# may end meanwhile and take one of them away.
nest() {
if [ -d "$1" ]; then return; fi
nest "${1%/*}"
y=$(moment "${1%/*}/." 2>/dev/null) || return 0
mkdir -m 700 -- "$1" 2>/dev/null || return 0
touch -d "$y" "${1%/*}/." 2>/dev/null || return 0
}

# The folder of the record is the lock of the identifier.
begin_record() {
for y in 1 2 3 4 5; do
  nest "$books"
  if [ ! -e "$books" ] && [ ! -L "$books" ]; then continue; fi
  only_ours_to_write "$books" || fail 12 "others can write in $books"
  if mkdir -m 700 "$rec" 2>/dev/null; then chmod g-s "$rec"; return; fi
  if [ -e "$rec" ] || [ -L "$rec" ]; then
    echo "busy record $id"
    fail 10 "restore $id is under way or unfinished"
  fi
done
fail 1 "$rec cannot be made"
}

# Writes down what is there, before anything in a root changes.
describe() {
N=0
for k in $q; do
  case $k in
  root=*)
    dec "${k#*=}"
    case $x in /*) ;; *) fail 64 "not an absolute path: $x" ;; esac
    if [ -L "${x%/}" ]; then fail 17 "$x is a symbolic link"; fi
    [ -d "$x" ] || fail 17 "$x is not a directory"
    stat -c '%d %i' -- "$x" >"$rec/place.$N"
    moment "$x" >"$rec/mtime.$N"
    printf %s "$x" >"$rec/root.$N"
    N=$((N + 1)) ;;
  esac
done
# A disk that is full is named by a program, not by the shell.
printf '%s\n' "$id" | cat >"$rec/id"
printf '%s\n' "$finish_script" | cat >"$rec/finish"
printf %s "$text" | cat >"$rec/record.part"
mv -f "$rec/record.part" "$rec/record"
durable "$rec"
}

busy() {
y=$(named "$1/id")
echo "busy root $N $y"
fail 10 "$root has a restore under way or unfinished: $y"
}

# Makes the staging folder of the root $N.
lock() {
for y in "$T" "$T.over"; do
  if [ -e "$y" ] || [ -L "$y" ]; then busy "$y"; fi
done
mkdir -m 700 "$T" || { if [ -e "$T" ]; then busy "$T"; fi; fail 1 "$root/$T cannot be made"; }
mkdir "$rec/locked.$N"
chmod g-s "$T"
stat -c %y . >"$T/ltime"
cp "$rec/id" "$T/id"
ours "$T" || fail 12 "$root/$T is not a folder of this account alone"
cp "$rec/mtime.$N" "$T/rtime"
case " $q " in
*' way=slow '*) : >"$T/slow"; slow_tools ;;
*) tools ;;
esac
# Space and inodes that going back may need on a disk that is full by then.
mkdir "$T/ballast"
head -c 1048576 /dev/urandom >"$T/ballast/0"
for y in 1 2 3 4 5 6 7; do : >"$T/ballast/$y"; done
cp "$rec/finish" "$T/finish"
: >"$T/at-staging"
durable "$T"
}

# Removes the staging folder of the root $N if this one made it.
unlock() {
if [ ! -e "$rec/locked.$N" ] || [ ! -e "$T" ]; then return; fi
rm -rf "$T"
touch -d "$(cat "$rec/mtime.$N")" .
}

# Answers where the roots are, and which other restores this host has a record of.
begun() {
N=0
while [ -e "$rec/place.$N" ]; do
  echo "root $(cat "$rec/place.$N")"
  N=$((N + 1))
done
for f in "$books"/*; do
  case ${f##*/} in "$id" | '*') ;; *) printf 'other %s\n' "${f##*/}" ;; esac
done
}

begin_all() {
asked || return
( set -eu +f; umask 077; begin_record )
r=$?
case $r in 0) ;; *) return $r ;; esac
( set -eu +f; umask 077; claim begin; describe )
r=$?
case $r in 0) each_recorded lock; r=$? ;; esac
case $r in
0) ( set -eu +f; release; begun ) ;;
*)
  s=$r stubborn=yes
  each_recorded unlock >/dev/null 2>&1
  forget
  r=$s ;;
esac
return "$r"
}

begin() {
bytes=0
for k in $q; do case $k in bytes=*) bytes=${k#*=} ;; esac; done
text=$({ case $bytes in 0) ;; *) dd bs="$bytes" count=1 iflag=fullblock <&3 2>/dev/null ;; esac; } 4>&-; echo .)
text=${text%.}
read -r first <&3 || :
case $first/${#text} in
?*/"$bytes") ;;
*) echo 'the record of the restore was cut off' >&2; shut 15 ;;
esac
{ exec >/dev/null 2>&1 4>&- 5>&-; watch; } &
w=$!
begin_all 3<&- 4>&-
shut $?
}
