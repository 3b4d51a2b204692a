# shellcheck shell=sh
# The swap with tools like busybox's: directories one after another, and attributes from lists instead of
# archives. Fractions of times, extended attributes, capabilities and ACLs of what comes are lost.
#
#   new.dirs.list               names, each ended by NUL, as in the other lists
#   new.dirs.attrs, meta.attrs  MODE UID GID SECONDS, a line for each name of that list
#   odirs.attrs, ometa.attrs    the same of before, for odirs.list and meta.list
#   lnew.list, lnew.attrs       the symbolic links of lnew/ and SECONDS of each: tar sets no times of links
#   go/                         further names of what is being put in place

# Whether the transaction in T began with such tools.
slow() { [ -e "$T/slow" ]; }

# Between lists whose names end with NUL and files with one name a line, whose line ends are bytes 1.
as_lines() { tr '\n\0' '\1\n'; }
as_list() { tr '\1\n' '\n\0'; }

# Makes lines of what `stat` prints of names that may hold line ends: each ends with `//`, as no name does.
stat_lines() {
y=$(printf '\001')
sed -e ':a' -e '/\/\/$/!{' -e N -e ba -e '}' -e "s/\\n/$y/g" -e 's,//$,,'
}

# Keeps the names of the list on standard input as further names in $1.
keep_slowly() {
# shellcheck disable=SC2016
xargs -0 -r -n 200 sh -c 't=$1 at=; shift
  put() { ln -- "$@" "$t/$at/" || exit 255; }
  for p do
    d=./$p; d=${d%/*}
    case $at in
    "$d") ;;
    *)
      case $at in ?*) put "$@" ;; esac
      at=$d
      [ -d "$t/$d" ] || mkdir -p -- "$t/$d" || exit 255
      set -- ;;
    esac
    set -- "$@" "./$p"
  done
  put "$@"' sh "$1"
}

# Puts the files of $1 into place, each by a rename of a further name. A name that is there already stays in
# go/: a rename between names of one file does nothing.
put_slowly() {
if [ ! -d "$T/$1" ]; then return; fi
loosen "$T/go"
rm -rf "$T/go"
cp -RPl "$T/$1" "$T/go"
# shellcheck disable=SC2016
(cd "$T/go" && find . -type d -print0) | xargs -0 -r sh -c 't=$1; shift; for d do
  find "$t/$d" -mindepth 1 -maxdepth 1 ! -type d -print0 |
    xargs -0 -r sh -c "exec mv -f -- \"\$@\" \"\$0/\"" "$d" || exit 255
  done' sh "$T/go" || return 1
loosen "$T/go"
rm -rf "$T/go"
}

# Removes the names of the list on standard input, nothing beneath them: first what is no directory.
drop_slowly() {
# shellcheck disable=SC2016
xargs -0 -r sh -c 's=0
  rm -f -- "$@" 2>/dev/null
  for p do
    if [ -L "$p" ] || [ ! -d "$p" ]; then
      if [ -e "$p" ] || [ -L "$p" ]; then echo "it cannot be removed: $p" >&2; s=1; fi
    else rmdir -- "$p" || s=1; fi
  done
  exit $s' sh
}

# Makes the directories of the list $1 that are missing.
make_dirs() {
# shellcheck disable=SC2016
xargs -0 -r sh -c 'for p do
  if [ -L "./$p" ] || [ ! -d "./$p" ]; then mkdir -- "./$p" || exit 255; fi
  done' sh <"$T/$1"
}

# Prints MODE UID GID SECONDS of each name of the list $1.
attributes_in() { xargs -0 -r stat -c '%a %u %g %Y' -- <"$T/$1"; }

# Gives those links of $1 their times that have come.
put_link_times() {
if ! have "$1.list"; then return; fi
as_lines <"$T/$1.list" | paste -d ' ' "$T/$1.attrs" - | while IFS= read -r l; do
  p=$(printf '%sx' "${l#* }" | tr '\1' '\n')
  p=$T/$1/${p%x}
  if [ -L "$p" ]; then touch -h -c -d "@${l%% *}" -- "$p"; fi
done
}

# Gives each name of the list $1 the attributes in its line of $2; the deepest first, for an account that is
# not root may close a directory by that.
put_attributes() {
if ! have "$1"; then return; fi
{
  as_lines <"$T/$1" | sed 's,^,./,' | paste -d ' ' "$T/$2" -
  # Twice, so that none of these lines is alone.
  for y in 1 2; do
    # shellcheck disable=SC2016
    as_lines <"$T/$1" | sed 's,^,./,' | as_list |
      xargs -0 -r sh -c 'stat -c "%a %u %g %Y %n//" -- "$@" 2>/dev/null || :' sh | stat_lines
  done
} | sort | uniq -u | sort -r -k 5 | while IFS= read -r l; do
  m=${l%% *} l=${l#* }
  u=${l%% *} l=${l#* }
  g=${l%% *} l=${l#* }
  t=${l%% *} l=${l#* }
  put_attributes_of "$l" "$m" "$u" "$g" "$t"
done
}

# Gives the name $1 the mode $2, the owner $3, the group $4 and the time $5. The mode has so many digits that it
# also takes a set-group-ID bit away.
put_attributes_of() {
p=$(printf '%sx' "$1" | tr '\1' '\n')
p=${p%x}
if [ -L "$p" ] || [ ! -e "$p" ]; then fail 17 "$root/${p#./}: it is gone, or a symbolic link"; fi
y=$(stat -c '%u %g %a' -- "$p")
case $y in "$3 $4 "*) ;; *) chown -- "$3:$4" "$p"; y= ;; esac
case $y in "$3 $4 $2") ;; *) chmod "0000$2" -- "$p" ;; esac
case $(stat -c %Y -- "$p") in "$5") ;; *) touch -c -d "@$5" -- "$p" ;; esac
}
