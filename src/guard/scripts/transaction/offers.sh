# shellcheck shell=sh disable=SC2016 # what is tried is for another shell
# What the host's tools offer for a restore, as far as that can be seen without writing: a line `way gnu`,
# `way slow` or `way none`, and for the last two a line `why …`. `begin` tries all of it out.

have_option() { "$1" --help 2>&1 | grep -q -e "$2"; }

# Prints what the usual way lacks.
gnu_lacks() {
case $(cp --version 2>/dev/null | head -n 1) in
*uutils*) echo '`cp` is not the GNU tool'; return ;;
*' coreutils) '[1-7].* | *' coreutils) 8.'[0-9] | *' coreutils) 8.1'[0-9]* | *' coreutils) 8.2'[0-6]*)
  echo '`cp` is older than coreutils 8.27'; return ;;
esac
for y in attributes-only no-target-directory parents; do
  have_option cp -$y || { echo "\`cp\` knows no \`--$y\`"; return; }
done
have_option ln -no-target-directory || { echo '`ln` knows no `-T`'; return; }
for y in xattrs-include acls unquote; do
  have_option tar -$y || { echo "\`tar\` knows no \`--$y\`"; return; }
done
find / -maxdepth 0 -printf '' >/dev/null 2>&1 || { echo '`find` knows no `-printf`'; return; }
printf 'b\0a\0' | sort -z 2>/dev/null | uniq -zu >/dev/null 2>&1 || echo '`sort` or `uniq` knows no `-z`'
}

# Prints what the slower way lacks.
slow_lacks() {
for y in cp mv ln rm mkdir rmdir chmod chown touch stat tar find xargs sort uniq paste sed tr grep head wc sync \
  sha256sum readlink cut od dd; do
  command -v $y >/dev/null 2>&1 || { echo "it has no \`$y\`"; return; }
done
case $(stat -c '%f %i %d' / 2>/dev/null) in 4*' '*[0-9]' '*[0-9]) ;; *) echo '`stat` knows no `-c`'; return ;; esac
find / -mindepth 0 -maxdepth 0 -print0 >/dev/null 2>&1 || { echo '`find` knows no `-print0`'; return; }
case $(printf 'a\0b\0' | xargs -0 -r -n 200 echo 2>/dev/null) in 'a b') ;; *) echo '`xargs` knows no `-0` or `-r`'; return ;; esac
have_option cp -l || { echo '`cp` makes no hard links'; return; }
case $(printf abc | dd bs=2 count=1 iflag=fullblock 2>/dev/null) in ab) ;; *) echo '`dd` knows no `iflag=fullblock`'; return ;; esac
# Two empty blocks are an archive of nothing.
head -c 1024 /dev/zero 2>/dev/null | tar -x -p -f - -C / 2>/dev/null || echo '`tar` extracts nothing from a pipe'
}

offers() {
y=$(gnu_lacks)
case $y in '') echo 'way gnu'; return ;; esac
x=$(slow_lacks)
case $x in
'') printf 'way slow\nwhy %s\n' "$y" ;;
*) printf 'way none\nwhy %s, and %s\n' "$y" "$x" ;;
esac
}
