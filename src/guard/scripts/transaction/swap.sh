# shellcheck shell=sh
# The swap of one root, which is the current directory: prepare, forward and back. Each may be cut off
# anywhere and be run again.

# A killed cp or ln leaves at most one link of its own, CuXXXXXX, to a file of T that T has under no such
# name, in a directory that something is put into.
sweep() {
if slow; then return; fi
# shellcheck disable=SC2016
for l in new lnew old lold; do
  if [ -d "$T/$l" ]; then find "$T/$l" -type d -printf './%P\0'; fi
done | sort -zu | xargs -0 -r sh -c 'find "$@" -maxdepth 1 -name "Cu??????" -links +1 -printf "%p\0" 2>/dev/null || :' sh |
  xargs -0 -r sh -c 't=$1; shift; for p do
  for d in new old lnew lold; do [ ! -e "$t/$d/$p" ] && [ ! -L "$t/$d/$p" ] || continue 2; done
  [ -z "$(find "$t/new" "$t/old" "$t/lnew" "$t/lold" -samefile "$p" -print -quit 2>/dev/null)" ] || rm -f -- "$p" || exit 255
  done' sh "$T"
}

# Links the files of $1 and the symbolic links of $2 into place, each by a rename.
put() {
if slow; then put_slowly "$1"; put_slowly "$2"; return; fi
[ ! -d "$T/$1" ] || cp -RPlfT "$T/$1" .
# shellcheck disable=SC2016
[ ! -d "$T/$2" ] || (cd "$T/$2" && find . -type l -printf '%P\0') |
  xargs -0 -r sh -c 't=$1; shift; for p do ln -fPT -- "$t/$p" "$p" || exit 255; done' sh "$T/$2"
}

# Sets the attributes of the files of meta.list to those in $1. cp cannot open a running program or a file
# that its owner may not write; those get theirs one by one.
put_meta() {
if slow; then put_attributes meta.list "$1.attrs"; return; fi
if [ ! -d "$T/$1" ]; then return; fi
# cp leaves set-id bits that a file has.
if have meta.list; then
  # shellcheck disable=SC2016
  xargs -0 -r sh -c 'for p do
    if [ -u "$p" ] || [ -g "$p" ]; then chmod ug-s -- "$p" || exit 255; fi
    done' sh <"$T/meta.list"
fi
cp -a --no-preserve=links --attributes-only -T "$T/$1" . 2>/dev/null || {
  differing "$1" >"$T/differing"
  # shellcheck disable=SC2016
  xargs -0 -r sh -c 't=$1; shift; for p do
    chown --reference="$t/$p" -- "$p" && chmod --reference="$t/$p" -- "$p" && touch -r "$t/$p" -- "$p" || exit 255
    done' sh "$T/$1" <"$T/differing"
}
}

# Prints the names of meta.list that don't have the attributes of $1.
differing() {
{ attributes_of <"$T/meta.list"; (cd "$T/$1" && attributes_of) <"$T/meta.list"; } |
  sort -z | uniq -zu | sed -z 's,^[^/]*/,,' | sort -zu
}
attributes_of() {
as_lines | sed 's,^,./,' | as_list | xargs -0 -r sh -c 'find "$@" -maxdepth 0 -printf "%m %U %G %T@ %p\0" 2>/dev/null || :' sh
}

# Removes the names of the list $1, nothing beneath them.
drop() {
if ! have "$1"; then return; fi
if slow; then drop_slowly <"$T/$1"; else xargs -0 rm -df -- <"$T/$1"; fi
}

# Gives directories the attributes that the archive $1 has, and makes those that are missing.
put_dirs() {
if slow; then
  case $1 in new.*) put_attributes new.dirs.list new.dirs.attrs ;; *) put_attributes odirs.list odirs.attrs ;; esac
elif have "$1"; then
  tar -x -p -f "$T/$1" --xattrs '--xattrs-include=*' '--xattrs-exclude=trusted.SGI_*' --acls --same-owner
fi
}

# Makes the directories that are missing; `put_dirs` gives them all their attributes once more at the end.
missing_dirs() {
if ! slow; then put_dirs "$1.dirs.tar"; return; fi
open_dirs
case $1 in
new) if have new.dirs.list; then make_dirs new.dirs.list; fi ;;
*) if have odirs.list; then make_dirs odirs.list; fi ;;
esac
}

# An account that is not root can put nothing into its own directories that it may not write. Their modes are
# set last, by `put_dirs`.
open_dirs() {
case $uid in 0) return ;; esac
for l in new lnew old lold; do
  if [ -d "$T/$l" ]; then (cd "$T/$l" && find . -type d -print0); fi
done | { cat; if have odirs.list; then cat "$T/odirs.list"; fi; } |
  xargs -0 -r sh -c 'find "$@" -maxdepth 0 -type d ! -perm -u=wx -exec chmod u+wx {} + 2>/dev/null || :' sh
}

# Keeps what will be replaced as further names in T. Nothing outside of T changes.
prepare_root() {
look
case $state in ready | going | cleared | new) return ;; esac
at staged
standing
for l in old lold ometa; do loosen "$T/$l"; done
rm -rf "$T/old" "$T/lold" "$T/ometa" "$T/old.dirs.tar"
mkdir "$T/old" "$T/lold" "$T/ometa"
if slow; then
  for l in old lold; do
    if have $l.list; then keep_slowly "$T/$l" <"$T/$l.list"; fi
  done
  if have meta.list; then attributes_in meta.list >"$T/ometa.attrs"; fi
  if have odirs.list; then attributes_in odirs.list >"$T/odirs.attrs"; fi
  mark ready
  return
fi
for l in old lold; do
  if have $l.list; then xargs -0 cp -Plf --parents -t "$T/$l" -- <"$T/$l.list"; fi
done
if have meta.list; then
  xargs -0 cp -a --no-preserve=links --attributes-only --parents -t "$T/ometa" -- <"$T/meta.list"
fi
if have odirs.list; then
  tar -c -f "$T/old.dirs.tar" --format=posix --xattrs --acls --no-recursion \
    --pax-option=delete=atime,delete=ctime --null --no-unquote -T "$T/odirs.list"
fi
mark ready
}

forward_root() {
at ready going cleared new
case $state in
new) return ;;
ready) standing ;;
*) sweep ;;
esac
case $state in
cleared) ;;
*)
  mark going
  open_dirs
  if have clear; then drop clear; mark cleared; fi ;;
esac
missing_dirs new
open_dirs
put new lnew
put_meta meta
drop gone
put_dirs new.dirs.tar
mark new
}

# Puts back what was, and takes away what was not. What was to change its type and has not is still in the
# way of `drop`, not empty, or is in old/ as well.
back_root() {
if [ -e "$rec/committed" ]; then fail 13 "restore $id is in place and proven: there is no way back"; fi
look
case $state in none | over | bare | staging | staged | ready | old) return ;; esac
rm -rf "$T/ballast"
mark back
sweep
open_dirs
drop made 2>/dev/null || :
missing_dirs old
open_dirs
put old lold
put_meta ometa
put_dirs old.dirs.tar
touch -d "$(cat "$T/rtime")" .
mark old
}
