# shellcheck shell=sh
# Puts files in place, all or nothing. All state is in ROOT/.fleet-restore, the folder T of each root:
#
#   id          the restore that it belongs to        rtime   the root's time before T was made
#   at-STATE    staging, staged, ready, going, cleared, new, back, old
#   new/        files to come                          old/    what they replace, as further names
#   lnew/       symbolic links to come                 lold/   what they replace
#   meta/       empty files with the final attributes  ometa/  the same with those of before
#   new.dirs.tar, old.dirs.tar                         directories: owner, mode, times, attributes
#   made, clear, gone, old.list, lold.list, meta.list, odirs.list    names, each ended by NUL

T=.fleet-restore

fail() {
echo "$1" >&2
exit 1
}

# Runs "$@" in each root of the request, in a shell of its own that ends at the first error. Neither this
# nor what calls it may be part of a condition, where shells go on after an error.
each() {
id= dev= ino= r=0
for k in $q; do
  case $k in
  id=*) id=${k#*=} ;;
  dev=*) dev=${k#*=} ;;
  ino=*) ino=${k#*=} ;;
  root=*)
    dec "${k#*=}"
    (set -eu +f; umask 077; cd -P -- "$x"; "$@")
    r=$?
    case $r in 0) ;; *) return $r ;; esac ;;
  esac
done
}

have() { [ -s "$T/$1" ]; }

# Fails unless T is at one of the states "$@".
at() {
for s do [ ! -e "$T/at-$s" ] || return 0; done
fail "not at: $*"
}

# What was done is durable before it is told.
mark() {
sync -f "$T"
[ -e "$T/at-$1" ] || mv -f "$T"/at-* "$T/at-$1"
sync "$T"
}

# A killed cp or ln leaves at most one link, CuXXXXXX, to a file of T that T has under no such name.
sweep() {
# shellcheck disable=SC2016
find . -path "./$T" -prune -o -name 'Cu??????' -links +1 -printf '%P\0' | xargs -0 -r sh -c 't=$1; shift; for p do
  for d in new old lnew lold; do [ ! -e "$t/$d/$p" ] && [ ! -L "$t/$d/$p" ] || continue 2; done
  [ -z "$(find "$t/new" "$t/old" "$t/lnew" "$t/lold" -samefile "$p" -print -quit 2>/dev/null)" ] || rm -f -- "$p"
done' sh "$T"
}

# Links the files of $1 and the symbolic links of $2 into place, each by a rename.
put() {
[ ! -d "$T/$1" ] || cp -RPlfT "$T/$1" .
# shellcheck disable=SC2016
[ ! -d "$T/$2" ] || (cd "$T/$2" && find . -type l -printf '%P\0') | xargs -0 -r sh -c 't=$1; shift
for p do ln -fPT -- "$t/$p" "$p" || exit 255; done' sh "$T/$2"
}

drop() { ! have "$1" || xargs -0 rm -df -- <"$T/$1"; }

put_dirs() { ! have "$1" || tar -x -p -f "$T/$1" --xattrs '--xattrs-include=*' --acls --same-owner; }

# The roots are made first and the record is removed last, so that it names all that may be unfinished.
record() { if [ "$(id -u)" = 0 ]; then echo "/var/lib/fleet/restore/$id"; else echo "$HOME/.fleet-restore/$id"; fi; }

begin() {
d=$HOME/.fleet-restore
[ "$(id -u)" != 0 ] || d=/var/lib/fleet/restore
bytes= id=
for k in $q; do case $k in bytes=*) bytes=${k#*=} ;; id=*) id=${k#*=} ;; esac; done
head -c "$bytes" <&3 | (umask 077; mkdir -p "$d" && mkdir "$d/$id" && cat >"$d/$id/record" && sync "$d/$id") || shut 1
each lock </dev/null
shut $?
}

lock() {
mtime=$(stat -c %y .)
mkdir "$T" || fail "somebody is at it: $(cat "$T/id")"
echo "$id" >"$T/id"
echo "$mtime" >"$T/rtime"
: >"$T/at-staging"
sync "$T"
stat -c 'root %d %i' .
}

stage() {
bytes= pack=cat
for k in $q; do
  case $k in
  bytes=*) bytes=${k#*=} ;;
  pack=*) pack="${k#*=} -dc" ;;
  esac
done
beat 5 3<&- 4>&-
head -c "$bytes" <&3 | $pack | each extract
shut $?
}

extract() {
tar -x -p -f - -C "$T" --same-owner --acls --xattrs '--xattrs-include=*' '--xattrs-exclude=trusted.SGI_*'
}

staged() { each staged_root; }
staged_root() { at staging staged; mark staged; }

prepare() { beat 5 3<&- 4>&-; each prepare_root; }
prepare_root() {
at staged ready
if [ -e "$T/at-ready" ]; then return; fi
mkdir -p "$T/old" "$T/lold" "$T/ometa"
for d in old lold; do
  if have $d.list; then xargs -0 cp -Plf --parents -t "$T/$d" -- <"$T/$d.list"; fi
done
if have meta.list; then
  xargs -0 cp -a --no-preserve=links --attributes-only --parents -t "$T/ometa" -- <"$T/meta.list"
fi
tar -c -f "$T/old.dirs.tar" --format=posix --xattrs --acls --no-recursion \
  --pax-option=delete=atime,delete=ctime --null --no-unquote -T "$T/odirs.list"
mark ready
}

forward() { beat 5 3<&- 4>&-; each forward_root; }
forward_root() {
at ready going cleared new
if [ -e "$T/at-new" ]; then return; fi
[ -e "$T/at-ready" ] || sweep
if [ ! -e "$T/at-cleared" ]; then
  mark going
  if have clear; then drop clear; mark cleared; fi
fi
put_dirs new.dirs.tar
put new lnew
[ ! -d "$T/meta" ] || cp -a --no-preserve=links --attributes-only -T "$T/meta" .
drop gone
put_dirs new.dirs.tar
mark new
}

back() { beat 5 3<&- 4>&-; each back_root; }
back_root() {
at staging staged ready going cleared new back old
for s in staging staged ready old; do if [ -e "$T/at-$s" ]; then return; fi; done
mark back
sweep
drop made 2>/dev/null || :
put_dirs old.dirs.tar
put old lold
[ ! -d "$T/ometa" ] || cp -a --no-preserve=links --attributes-only -T "$T/ometa" .
put_dirs old.dirs.tar
touch -d "$(cat "$T/rtime")" .
mark old
}

finish() {
beat 5 3<&- 4>&-
each finish_root
case $r in 0) ;; *) return $r ;; esac
rm -rf "$(record)"
}
finish_root() {
if [ -e "$T" ]; then
  if [ -e "$T/at-new" ] || [ ! -e "$T/rtime" ]; then stat -c %y . >"$T/rtime"; fi
  sync -f "$T"
  mv -T "$T" "$T.over"
fi
[ -e "$T.over/rtime" ] || return 0
mtime=$(cat "$T.over/rtime")
find "$T.over" -mindepth 1 ! -name rtime -delete
sync "$T.over"
rm -r "$T.over"
touch -d "$mtime" .
}
