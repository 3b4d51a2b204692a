# shellcheck shell=sh
# Whether the host's tools do what the swap needs, tried out in the folder $T. Some that say GNU of
# themselves ignore `-T`, or empty files that have two names.
same_inode() { [ "$(stat -c %i "$1" 2>/dev/null)" = "$(stat -c %i "$2" 2>/dev/null)" ]; }

tools() {
p=$T/probe
rm -rf "$p"
mkdir "$p" "$p/a" "$p/b" "$p/c"
lacks() { fail 11 "$1 is not the GNU tool that a restore needs: $2"; }
# Before 8.27 cp removes the old file first, which nothing here can show.
case $(cp --version 2>/dev/null | head -n 1) in
*' coreutils) '[1-7].* | *' coreutils) 8.'[0-9] | *' coreutils) 8.1'[0-9]* | *' coreutils) 8.2'[0-6]*) lacks cp 'coreutils 8.27 or newer' ;;
esac
echo new >"$p/a/f"
echo old >"$p/b/f"
cp -RPlfT "$p/a" "$p/b" 2>/dev/null || lacks cp 'no -RPlfT (coreutils 8.27 or newer)'
same_inode "$p/a/f" "$p/b/f" || lacks cp 'it does not link over a file that is there'
if [ -e "$p/b/a" ]; then lacks cp 'it ignores -T'; fi
ln -s new "$p/a/l"
ln -s old "$p/b/l"
ln -fPT -- "$p/a/l" "$p/b/l" 2>/dev/null || lacks ln 'no -fPT'
[ "$(readlink "$p/b/l")" = new ] || lacks ln 'it does not link over a symbolic link'
# A file with two names keeps its content when its attributes are set, and a list goes through `xargs`.
ln "$p/b/f" "$p/b/g"
mkdir "$p/m" "$p/o"
: >"$p/m/f"
: >"$p/m/g"
chmod 640 "$p/m/f" "$p/m/g"
cp -a --no-preserve=links --attributes-only -T "$p/m" "$p/b" 2>/dev/null || lacks cp 'no --attributes-only'
[ "$(cat "$p/b/f") $(stat -c %a "$p/b/f")" = 'new 640' ] || lacks cp '--attributes-only changes contents'
find "$p/b" -name f -printf '%P\0' >"$p/s" 2>/dev/null || lacks find 'no -printf'
(cd "$p/b" && xargs -0 -r cp -Plf --parents -t ../o -- <../s) 2>/dev/null || lacks 'cp or xargs' 'no --parents or -0'
same_inode "$p/b/f" "$p/o/f" || lacks cp 'it does not keep a file as a further name'
(cd "$p" && printf 'm\0' | tar -c -f d.tar --format=posix --xattrs --acls --no-recursion \
  --pax-option=delete=atime,delete=ctime --null --no-unquote -T - &&
  tar -x -p -f d.tar --xattrs '--xattrs-include=*' '--xattrs-exclude=trusted.SGI_*' --acls --same-owner) 2>/dev/null ||
  lacks tar 'no --xattrs, --acls or --no-unquote'
printf 'b\0a\0' | sort -z 2>/dev/null | uniq -zu >"$p/s" 2>/dev/null || lacks 'sort or uniq' 'no -z'
touch -d "$(stat -c %y "$p/a")" "$p/b" || lacks touch 'it does not take the time that stat prints'
rm -r "$p"
}

# The same for the slower way.
slow_tools() {
p=$T/probe
rm -rf "$p"
mkdir "$p" "$p/a" "$p/a/d" "$p/b" "$p/b/d" "$p/o"
lacks() { fail 11 "$1 cannot do what the slower way of a restore needs: $2"; }
echo new >"$p/a/d/f"
ln -s new "$p/a/d/l" || lacks ln 'no -s'
echo old >"$p/b/d/f"
ln -s old "$p/b/d/l"
printf 'a/d/f\0a/d/l\0' >"$p/s"
(cd "$p" && T=. && keep_slowly o <s) 2>/dev/null || lacks 'ln or xargs' 'no further names of a list of files'
same_inode "$p/a/d/f" "$p/o/a/d/f" || lacks ln 'it does not keep a file as a further name'
same_inode "$p/a/d/l" "$p/o/a/d/l" || lacks ln 'it does not keep a symbolic link as a further name'
mv "$p/a" "$p/b/new"
(cd "$p/b" && T=. && put_slowly new) 2>/dev/null || lacks 'cp, find or mv' 'no -RPl, -print0 or -f'
same_inode "$p/b/d/f" "$p/b/new/d/f" || lacks cp 'it makes no hard links (-l)'
[ "$(readlink "$p/b/d/l")" = new ] || lacks mv 'it does not replace a symbolic link'
# Again, with nothing to do.
(cd "$p/b" && T=. && put_slowly new) 2>/dev/null || lacks mv 'it fails where a name is the same file'
printf l >"$p/o.list"
printf '1234567890\n' >"$p/o.attrs"
mkdir -p "$p/o"
ln -s x "$p/o/l"
(cd "$p" && T=. && put_link_times o) 2>/dev/null || lacks touch 'no -h'
[ "$(stat -c %Y "$p/o/l")" = 1234567890 ] || lacks touch 'no -h'
printf 'd\0d/f\0' >"$p/b/s.list"
printf '711 %s 1234567890\n640 %s 1234567891\n' "$(stat -c '%u %g' "$p")" "$(stat -c '%u %g' "$p")" >"$p/b/s.attrs"
(cd "$p/b" && T=. && put_attributes s.list s.attrs) 2>/dev/null ||
  lacks 'stat, sed, sort, uniq, paste, chmod or touch' 'attributes of a list'
[ "$(stat -c '%a %Y' "$p/b/d" "$p/b/d/f" | tr '\n' ' ')" = '711 1234567890 640 1234567891 ' ] ||
  lacks 'chmod or touch' 'modes and times are others than those asked for'
printf 'd/f\0d\0' >"$p/s"
rm "$p/b/d/l"
(cd "$p/b" && drop_slowly <../s) 2>/dev/null || lacks rm 'it does not remove a list'
if [ -e "$p/b/d" ]; then lacks rm 'it does not remove a list'; fi
rm -r "$p"
}
