# shellcheck shell=sh
# What a restore has on this host, and the checks that it is still what this restore made.
#
#   $id    the restore
#   $rec   its record, a folder of the account that runs it:
#            record    what the workstation wrote down        run.PID  a script at work, and its start
#            root.N    the path of the Nth root               place.N  device and inode of that root
#            mtime.N   when it was modified last, before      rtime.N  the same for the end, once known
#            locked.N  its staging folder was made            id       the restore
#            finish    the script for people                  committed  there is no way back
#   $T     `.fleet-restore` in the root, which is the current directory:
#            id        the restore                            rtime    as mtime.N
#            at-STATE  staging, staged, ready, going, cleared, new, back or old
#            ltime     when it was modified by the making of this folder
#            ballast/  space that going back may need         finish   the script for people
#            new/      files to come                          old/     what they replace: further names
#            lnew/     symbolic links to come                 lold/    what they replace
#            meta/     empty files with final attributes      ometa/   the same with those of before
#            new.dirs.tar, old.dirs.tar                       directories: owner, mode, times, ACL
#            slow      the tools are like busybox's: slow.sh tells what else is there then
#            made clear gone old.list lold.list meta.list odirs.list     names, each ended by NUL
#
# Exit statuses: 1 a tool failed, 10 somebody is at it, 11 the tools lack something, 12 not ours, 13 not in
# a state for that, 14 a script is still at work, 15 the data was cut off, 16 a name that is refused,
# 17 something is in the way, 64 a request that means nothing.

T=.fleet-restore
uid=$(id -u)

fail() {
status=$1
shift
printf '%s\n' "$*" >&2
exit "$status"
}

# Prints when the directory $1 was modified last, as `touch` takes it. Not every `touch` takes fractions.
moment() {
if touch -c -d '1970-01-01 00:00:00.5 +0000' /proc/self/none 2>/dev/null; then stat -c %y "$1"
else echo "@$(stat -c %Y "$1")"; fi
}

# Sets $books, the folder of all records, and $rec, the one of $id.
locate() {
case $uid in 0) books=/var/lib/fleet/restore ;; *) books=${HOME%/}/.fleet-restores ;; esac
rec=$books/$id
case $id in '' | .* | *[!A-Za-z0-9._-]*) echo "not the identifier of a restore: $id" >&2; return 64 ;; esac
}

# Whether $1 is a folder of this account that nobody else can enter, and no link.
ours() {
if [ -L "$1" ] || [ ! -d "$1" ]; then return 1; fi
# A folder inherits a set-group-ID bit from the one that it is made in.
case $(stat -c '%u %a' -- "$1") in "$uid 700" | "$uid 2700") ;; *) return 1 ;; esac
}

# Whether nobody else can make or remove anything in the folder $1, which is no link.
only_ours_to_write() {
if [ -L "$1" ] || [ ! -d "$1" ]; then return 1; fi
case $(stat -c '%u %A' -- "$1") in "$uid d"????-??-?) ;; *) return 1 ;; esac
}

record_is_ours() {
if [ ! -e "$rec" ] && [ ! -L "$rec" ]; then fail 12 "there is no record of restore $id: $rec"; fi
only_ours_to_write "$books" || fail 12 "others can write in $books"
ours "$rec" || fail 12 "not a folder of this account alone: $rec"
}

# Prints a restore's identifier that was found in the file $1, or what stands for one that is none.
named() {
if [ -L "$1" ] || [ ! -f "$1" ]; then echo -; return; fi
y=$(head -c 200 -- "$1" 2>/dev/null) || y=
case $y in '' | *[!A-Za-z0-9._-]*) echo - ;; *) echo "$y" ;; esac
}

# Enters the root $1 that has to be the inode $3 of the device $2.
enter() {
root=$1
case $root in /*) ;; *) fail 64 "not an absolute path: $root" ;; esac
if [ -L "${root%/}" ]; then fail 12 "$root is a symbolic link now"; fi
cd -P -- "$root" 2>/dev/null || fail 12 "$root cannot be entered"
[ "$(stat -c '%d %i' .)" = "$2 $3" ] || fail 12 "$root is another directory than the one that this restore began in"
}

# Fails if the folder $1 is there but not this restore's. One without an identifier is what a `begin` that
# was killed has left.
is_this_restores() {
if [ ! -e "$1" ] && [ ! -L "$1" ]; then return; fi
ours "$1" || fail 12 "$root/$1 is not a folder of this account alone"
[ "$(stat -c %d -- "$1")" = "$(stat -c %d .)" ] || fail 12 "$root/$1 is on another file system"
if [ ! -s "$1/id" ] && [ ! -L "$1/id" ] && [ -z "$(find "$1" -maxdepth 1 -name 'at-*' -print)" ]; then return; fi
if [ "$1" = "$T.over" ] && [ ! -e "$1/id" ]; then return; fi
y=$(named "$1/id")
[ "$y" = "$id" ] || fail 12 "$root/$1 is of another restore: $y"
}

# Runs "$@" in the root $1 with the device $2 and inode $3, in a shell of its own that ends at the first
# error. Neither this nor what calls it may be part of a condition, where shells go on after an error.
in_root() {
(
  set -eu +f
  umask 077
  enter "$1" "$2" "$3"
  shift 3
  case $1 in
  lock) ;;
  *) is_this_restores "$T"; is_this_restores "$T.over" ;;
  esac
  "$@"
)
r=$?
# Tools have statuses of their own: all of them mean that one failed.
case $r in 0 | 1[0-7] | 64) ;; *) r=1 ;; esac
return "$r"
}

# Runs "$@" in each root of the record; $N is its number. Stops at the first that fails, unless $stubborn is
# `yes`, and returns the status of that. With $any_device only the inode of a root has to be right.
each_recorded() {
N=0 r=0
while [ -e "$rec/root.$N" ]; do
  x=$(cat "$rec/root.$N"; echo .)
  read -r d o <"$rec/place.$N" || :
  case $any_device in yes) d=$(stat -c %d -- "${x%.}") ;; esac
  y=$r
  in_root "${x%.}" "$d" "$o" "$@"
  case $y in 0) ;; *) r=$y ;; esac
  case $r/$stubborn in 0/* | */yes) ;; *) return "$r" ;; esac
  N=$((N + 1))
done
return "$r"
}

# Whether T has the list or archive $1, and it is not empty.
have() { [ -s "$T/$1" ]; }

# Sets $state to that of the root: `none` without a staging folder, `bare` without a mark, `over` when only
# the removal is left.
look() {
state=none
if [ -e "$T.over" ]; then state=over; fi
if [ ! -e "$T" ]; then return; fi
for state in staging staged ready going cleared new back old; do
  if [ -e "$T/at-$state" ]; then return; fi
done
state=bare
}

# Fails unless the root is at one of the states "$@".
at() {
look
for y do
  case $y in "$state") return ;; esac
done
fail 13 "$root is at \`$state\`, not at \`$*\`"
}

# Syncs the file system of $1. Where `sync` takes no names it syncs all of them.
durable() {
if y=$(sync -f "$1" 2>&1); then return; fi
# A file system tells an error of its disk once: to ask it again would be to overlook that.
if sync -f /dev/null 2>/dev/null; then fail 1 "$y"; fi
sync
}

# Lets an account that is not root remove what is in its directories in the folder $1, whatever their modes.
loosen() {
case $uid in 0) return ;; esac
if [ -d "$1" ]; then find "$1" -type d ! -perm -u=rwx -exec chmod u+rwx {} \;; fi
}

# Takes the root to the state $1. What was done is durable before the state says so.
mark() {
durable "$T"
look
case $state in
"$1") ;;
bare) : >"$T/at-$1" ;;
*) mv -f "$T/at-$state" "$T/at-$1" ;;
esac
state=$1
if sync "$T" 2>/dev/null; then return; fi
durable "$T"
}
