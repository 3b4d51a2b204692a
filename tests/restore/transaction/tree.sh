# shellcheck shell=sh
# tree.sh FOLDER: makes FOLDER/want and FOLDER/live, two trees with every kind of difference.
set -eu
umask 022
mkdir -p "$1"
cd "$1"
can() { command -v "$1" >/dev/null; }
root() { [ "$(id -u)" = 0 ]; }

for t in want live; do
  mkdir -p $t/a/b/c $t/same
  for i in 1 2 3 4 5 6 7 8 9; do
    echo "same $i" >$t/same/$i
    touch -d "@170000000$i.123456789" $t/same/$i
    echo "content $i of $t" >$t/a/b/r$i
    case $t in want) y=1 ;; *) y=2 ;; esac
    touch -d "@160000${y}0$i.5" $t/a/b/r$i
    chmod 64$((i % 5)) $t/a/b/r$i
  done
done

cd want
echo n >a/newfile
mkdir -p nd/e/f
echo x >nd/e/f/x
echo meta >a/m1
echo meta >a/m2
ln -s t1 a/sl
ln -s dangling a/sl2
mkfifo a/fifo
echo h >a/h1
ln a/h1 a/h2
ln a/h1 nd/h3
cp /bin/true a/cap
if root && can setcap; then setcap cap_net_raw+ep a/cap; fi
echo s >a/suid
if root; then chown 33:33 a/suid; fi
chmod 4755 a/suid
if can setfacl; then setfacl -m u:44:rw a/m1; fi
if can setfattr; then setfattr -n user.k -v v a/m1; fi
echo file >turn1
mkdir turn2
echo in >turn2/in
ln -s x turn3
echo f >turn4
mkdir turn5
echo a >turn5/a
echo nl >"a/new
line"
echo sp >"a/ sp '\"\\ "
printf 'raw\377\n' >"a/$(printf 'raw\377\376')"
echo dash >./-n
mkdir -- -d
echo q >./-d/-f
truncate -s 1M a/sparse
echo end >>a/sparse
mkdir acl
if can setfacl; then setfacl -d -m u:44:rwx acl; fi
echo i >acl/in
chmod 3770 same
if root; then chown 1:2 same; fi

cd ../live
echo meta >a/m1
echo meta >a/m2
chmod 600 a/m1
if root; then chown 5:5 a/m2; fi
ln -s t0 a/sl
echo h >a/h1
cp -a a/h1 a/h2
cp /bin/true a/cap
echo t >a/suid
mkdir -p turn1/x/y
echo 1 >turn1/x/1
echo 2 >turn1/x/y/2
echo f >turn2
mkdir turn3
ln -s y turn4
ln -s same turn5
echo extra >extra
mkdir -p xd/xe
echo e >xd/xe/e
ln -s z xd/l
mkfifo xd/p
echo old >./-n
chmod 700 same
# Names that look like those that a killed cp leaves, with a link and without.
echo mine >a/CuAAAAAA
echo mine >a/CuBBBBBB
ln a/CuBBBBBB a/CuCCCCCC
cp -a a/CuAAAAAA a/CuBBBBBB a/CuCCCCCC ../want/a

# Groups of hard links: regrouped by nothing but a time, and with a mode that differs.
cd ..
for t in want live; do
  echo 12345 >$t/a/hx
  ln $t/a/hx $t/a/hy
  echo hl >$t/a/k1
  ln $t/a/k1 $t/a/k2
  touch -d @1700000000.25 $t/a/k1
done
touch -d @1500000000 want/a/hx
touch -d @1400000000 live/a/hx
chmod 600 live/a/k1
mkdir -p want/onlylinks/deep want/empty live/ol2
ln -s a want/onlylinks/deep/s
ln -s b live/ol2/s
for t in want live; do
  find $t -depth -type d -exec touch -d "@1234567890.1234567${#t}" {} +
  touch -d @1234567890.12345673 $t/a $t
done
touch -d @1234567890.5 live
