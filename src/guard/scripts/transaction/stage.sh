# shellcheck shell=sh
# Takes what is to come into the staging folder.

# So many bytes of standard input and none more. There is a `head` that takes more, and drops it.
data() {
if ! slow; then head -c "$bytes"; return; fi
case $((bytes / 65536)) in 0) ;; *) dd bs=65536 count=$((bytes / 65536)) iflag=fullblock 2>/dev/null ;; esac
case $((bytes % 65536)) in 0) ;; *) dd bs=$((bytes % 65536)) count=1 iflag=fullblock 2>/dev/null ;; esac
}

# The data: so many bytes, and not one of the lines behind it. A tool that fails says so on descriptor 8.
stream() {
case $pack in
none) data <&3 ;;
*) data <&3 | { exec 3<&-; "$pack" -q -d -c || echo " $pack" >&8; } ;;
esac
}

# Extracts the archive on standard input. An account that is not root cannot give the lists to root, who they
# say they belong to, and needs not.
extract() {
# Nobody else enters T. With a mask, the tar of an account that is not root takes bits away.
if slow; then (umask 0; tar -x -p -f - -C "$T" >&2); return; fi
set -- tar -x -p -b 128 -f - -C "$T" --same-owner --acls --xattrs '--xattrs-include=*' '--xattrs-exclude=trusted.SGI_*'
case $uid in
0) "$@" >&2 ;;
*)
  y=$({ "$@" 2>&1 || echo failed; } | grep -vE '^tar: ((gone|clear|made|(old|lold|meta|odirs)\.list|new\.dirs\.tar): Cannot change ownership to uid 0, gid 0: .*|Exiting with failure status due to previous errors)$')
  case $y in '' | failed) return 0 ;; esac
  printf '%s\n' "$y" >&2
  case $y in *failed) return 1 ;; esac ;;
esac
}

# Takes the archive that is the data. It is whole only if a line follows it: a connection that is cut looks
# like an end of data.
unpack() {
at staging
bad=$({
  stream | {
    exec 3<&-
    extract || echo ' tar' >&8
    cat >/dev/null
  }
} 8>&1)
read -r x <&3 || fail 15 'the archive was cut off'
[ -z "$bad" ] || fail 1 "the archive cannot be unpacked:$bad"
if slow; then put_link_times lnew; fi
}

stage() {
bytes=0 pack=none
for k in $q; do
  case $k in
  bytes=*) bytes=${k#*=} ;;
  pack=zstd | pack=gzip | pack=none) pack=${k#*=} ;;
  esac
done
stage_all 4>&-
shut $?
}

stage_all() {
asked || return
( set -eu +f; umask 077; record_is_ours; claim stage ) 3<&-
r=$?
case $r in 0) ;; *) return $r ;; esac
beat 5 3<&-
each unpack
r=$?
release
return "$r"
}

# Fails if a name of the list on standard input, $1, is not of a kind that a plan has.
plain() {
y=$(tr '\n\0' '\1\n' | grep -E "$2" | head -n 1)
[ -z "$y" ] || fail 16 "a name that is refused, in $root/$T/$1: $y"
}

# The names of all lists, and of all that was staged, are relative, without `..`, and not of a restore; links
# are staged where nothing can go through them.
examine() {
bad='(^|/)\.\.?(/|$)|//|^/|/$|^$|^\.fleet-restore(s|\.over)?(/|$)'
for l in gone clear made old.list lold.list meta.list; do
  if have $l; then plain $l "$bad" <"$T/$l"; fi
done
for l in odirs.list new.dirs.list lnew.list; do
  if have $l; then plain $l "^(\./|\.\.)|./\.\.?(/|\$)|//|^/|./\$|^\$|^\.fleet-restore(s|\.over)?(/|\$)" <"$T/$l"; fi
done
if slow; then examine_attributes; fi
for l in new lnew meta; do
  for y in "$T" "$T.over" "${T}s"; do
    if [ -e "$T/$l/$y" ] || [ -L "$T/$l/$y" ]; then fail 16 "a name that is refused: $root/$T/$l/$y"; fi
  done
done
for l in new meta; do
  if [ -d "$T/$l" ]; then
    y=$(find "$T/$l" -type l -print | head -n 1)
    [ -z "$y" ] || fail 16 "a symbolic link is staged among files: $root/$y"
  fi
done
if [ -d "$T/lnew" ]; then
  y=$(find "$T/lnew" ! -type l ! -type d -print | head -n 1)
  [ -z "$y" ] || fail 16 "a file is staged among symbolic links: $root/$y"
fi
if have new.dirs.tar; then
  y=$(tar -t -v --numeric-owner --quoting-style=escape -f "$T/new.dirs.tar" | grep -v '^d' | head -n 1)
  [ -z "$y" ] || fail 16 "no directory, in $root/$T/new.dirs.tar: $y"
  y=$(tar -t --quoting-style=escape -f "$T/new.dirs.tar" | grep -E '(^|/)\.\.(/|$)|^/|^(\./)*\.fleet-restore(s|\.over)?(/|$)' | head -n 1)
  [ -z "$y" ] || fail 16 "a name that is refused, in $root/$T/new.dirs.tar: $y"
fi
}

# Each name has a line of attributes.
examine_attributes() {
for l in new.dirs meta; do
  if have $l.list; then
    y=$(grep -vxE '[0-7]{1,4} [0-9]+ [0-9]+ -?[0-9]+' "$T/$l.attrs" | head -n 1)
    [ -z "$y" ] || fail 16 "no attributes, in $root/$T/$l.attrs: $y"
    [ $(($(tr -cd '\0' <"$T/$l.list" | wc -c))) = $(($(wc -l <"$T/$l.attrs"))) ] ||
      fail 16 "$root/$T/$l.attrs has not a line for each name"
  fi
done
if have lnew.list; then
  y=$(grep -vxE -e '-?[0-9]+' "$T/lnew.attrs" | head -n 1)
  [ -z "$y" ] || fail 16 "no time, in $root/$T/lnew.attrs: $y"
fi
}

stage_end() {
look
case $state in staged | ready | going | cleared | new) return ;; esac
at staging
examine
mark staged
}
