# shellcheck shell=sh
# Whether the root is still such that nothing goes astray: what is in the way of the names is a directory of
# this file system and no link, and nothing resists.

# Prints the names of all lists and of all that was staged, each ended by NUL.
names() {
for l in gone clear made old.list lold.list meta.list odirs.list; do
  if have "$l"; then cat "$T/$l"; fi
done
for l in new lnew meta; do
  if [ -d "$T/$l" ]; then (cd "$T/$l" && find . -mindepth 1 -print0) | as_lines | sed 's,^\./,,' | as_list; fi
done
}

# Prints the device, type and name of each of the names on standard input that is there. None is followed.
facts_of() {
# shellcheck disable=SC2016
if slow; then
  sed 's,^,./,' | as_list | xargs -0 -r sh -c 'stat -c "%d %f %n//" -- "$@" 2>/dev/null || :' sh |
    stat_lines | sed 's/^\([0-9]*\) 4... /\1 d /'
else
  sed 's,^,./,' | as_list | xargs -0 -r sh -c 'find "$@" -maxdepth 0 -printf "%D %y %p\0" 2>/dev/null || :' sh | as_lines
fi
}

# Fails with the first line of standard input, as a name after $1 words, and the reason "$2".
refuse() {
y=$(head -n 1)
n=$1
while [ "$n" -gt 0 ]; do y=${y#* } n=$((n - 1)); done
[ -z "$y" ] || fail 17 "$root/${y#./}: $2"
}

standing() {
dev=$(stat -c %d .)
names | as_lines | sort -u >"$T/names"
if have clear; then as_lines <"$T/clear" | sort -u; fi >"$T/cleared"
# All that is above a name, but for what makes room for a directory.
sed -n ':a
s,/[^/]*$,,
t p
b
:p
p
b a' "$T/names" | sort -u | cat - "$T/cleared" "$T/cleared" | sort | uniq -u >"$T/above"
facts_of <"$T/names" >"$T/facts"
# A bind mount of the same file system has the same device, but no link goes there. Of a file, the layers of
# an overlay may give another device; only where mounts are not known it is asked for.
if [ -r /proc/self/mountinfo ]; then
  grep '^[0-9]* d ' "$T/facts" | grep -v "^$dev " | refuse 2 'it is on another file system'
  here=$(pwd -P)
  here=${here%/}
  cut -d ' ' -f 5 /proc/self/mountinfo | while read -r y; do
    # Blanks and line ends are three octal digits behind a backslash.
    case $y in *\\*) y=$(printf '%s\n' "$y" | sed 's/\\/\\0/g') y=$(printf %b "$y" | as_lines) ;; esac
    case $y in "$here"/*) printf '%s\n' "${y#"$here/"}" ;; esac
  done | sort -u >"$T/mounts"
  sort -u "$T/names" "$T/above" | cat - "$T/mounts" | sort | uniq -d | refuse 0 'something is mounted there'
else
  grep -v "^$dev " "$T/facts" | refuse 2 'it is on another file system'
fi
facts_of <"$T/above" | grep -v "^$dev d " | refuse 2 'it is not a directory of this file system'
resists
rm -f "$T/names" "$T/cleared" "$T/above" "$T/facts" "$T/mounts"
}

# Directories and files that even root cannot change. Only the owner of a file system's attributes tells
# append-only ones.
resists() {
{ if have odirs.list; then cat "$T/odirs.list"; fi; if have meta.list; then cat "$T/meta.list"; fi; } |
  as_lines | sed 's,^,./,' >"$T/names"
case $uid in
0)
  as_list <"$T/names" | xargs -0 -r sh -c 'find "$@" -maxdepth 0 ! -writable -printf "%p\0" 2>/dev/null || :' sh |
    as_lines | refuse 0 'it is immutable or read-only' ;;
esac
if command -v lsattr >/dev/null; then
  as_list <"$T/names" | xargs -0 -r sh -c 'lsattr -d -- "$@" 2>/dev/null || :' sh |
    grep '^[A-Za-z-]*[ai][A-Za-z-]* ' | refuse 1 'it is immutable or append-only'
fi
}
