# shellcheck shell=sh disable=SC2010,SC2016,SC2030,SC2031,SC2046,SC2062,SC2116
# The answer of the probe, a line `facts=`, and what the host is like: how long is it up, how full are
# its disks, which versions does it have, what is checked out in these directories, and what runs from
# them? Answers `key=value` lines.
#
# Nothing here waits for long: what could hang runs under a limit where the host has `timeout`, and what
# it has not answered by then is left out. The shell does what it can by itself: on a small host,
# starting programs is most of what a checkpoint costs.

lim() {
i=$1; shift
${t:+$t $i} "$@"
}

# The versions of programs, unless the programs are those of the request's `versions`.
#
# A program is asked for its version only if it is what its name says: a script in its place (a wrapper,
# a shim of a version manager, a snap) may write where it likes. npm writes a log whenever it is run, so
# its version is read from its own files.
versions() {
set +f
set -- node=node python3=python3 asterisk=asterisk nginx=nginx docker=docker npm=npm
for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin; do
  set -- "$@" "postgres=$d/postgres" "psql=$d/psql"
done
progs= files=
for a; do
  p=${a#*=}
  case $p in /*) [ -x "$p" ] ;; *) p=$(command -v "$p") ;; esac || continue
  case $p in *[!A-Za-z0-9._/+-]*) continue ;; esac
  progs="$progs ${a%%=*}=$p" files="$files $p"
done
[ -n "$progs" ] || return 0
now=$(stat -Lc %n:%i:%s:%Y $files) && now=$(echo $now)
case $now in
'') ;;
"$before") echo versions=same; return 0 ;;
*) printf 'versions=%s\n' "$now" ;;
esac
set --
files=
for a in $progs; do
  p=${a#*=} n=${a%%=*}
  [ ! -L "$p" ] || p=$(readlink -f "$p") || continue
  case $p in
  *[!A-Za-z0-9._/@+-]*) ;;
  */bin/npm-cli.js)
    lim 2 sed -n '/^ *"version": *"/{s/^[^:]*: *"\([^"]*\)".*/version=npm \1/p;q;}' "${p%/bin/npm-cli.js}/package.json" ;;
  */"$n" | */"$n"[-.0-9]*) set -- "$@" "$a"; files="$files $p" ;;
  esac
done
[ $# != 0 ] || return 0
x=$(lim 2 head -qc 2 $files) y=
[ ${#x} = $(($# * 2)) ] || return 0
for a; do
  case $x in [#]!*) ;; *) y="$y $a" ;; esac
  x=${x#??}
done
env -i PATH="$PATH" HOME=/dev/null LC_ALL=C sh -c "$s" part asked "$t" $y </dev/null
}

# Asks each of NAME=PROGRAM for its version, all at once; the first line is the answer.
asked() {
t=$1; shift
for a; do
  {
    n=${a%%=*} o=--version
    case $n in asterisk) o=-V ;; nginx) o=-v; exec 2>&1 ;; esac
    ${t:+$t 2} "${a#*=}" $o | { IFS= read -r x && printf 'version=%s %.200s\n' "$n" "$x"; }
  } &
done
wait
}

# How full the disks of these directories are, the root's first.
disks() {
x=$(df -Pk / "$@")
case $x in '') x=$(df -Pk /) ;; esac
IFS="
"
set -- $x
unset IFS
while [ $# -gt 1 ]; do shift; printf 'disk=%s\n' "$1"; done
}

# Processes whose working directory is one of the request's or is beneath one, by their files.
working_there() {
set --
or=
for k in $q; do
  case $gnu$k in
  yesglob=*) dec "${k#*=}"; set -- "$@" $or -lname "$x" -o -lname "${x}[/ ]*"; or=-o ;;
  root=*) dec "${k#*=}"; set -- "$@" -e "$x" ;;
  esac
done
set +f
case $gnu in
yes) find /proc/[0-9]*/cwd -maxdepth 0 \( "$@" \) ;;
*) ls -ldn /proc/[0-9]*/cwd | grep -F "$@" ;;
esac
set -f
}

# Processes whose command line names one of the directories, or that are called as one is.
named_so() {
names=' '
set --
for k in $q; do
  case $k in
  root=*) dec "${k#*=}"; set -- "$@" -e "$x" ;;
  name=*) dec "${k#*=}"; names="$names$x " ;;
  esac
done
set +f
grep -lF "$@" /proc/[0-9]*/cmdline
for f in /proc/[0-9]*/comm; do
  read -r x <$f || continue
  case $names in *" $x "*) echo $f ;; esac
done
set -f
}

# What ran from the directories, by command line, working directory or name. What is younger than the
# connection is fleet's own.
processes() {
[ -r /proc/self/stat ] || return
st() { set -- ${1##*") "}; born=${20}; }
l=$(printf '\nx'); l=${l%x}
since= st=
if read -r st </proc/$login/stat; then printf 'login=%s\n' "$st"; st "$st"; since=$born; fi
{ named_so; working_there; } | {
  c=0 seen=' ' uids=' '
  while read -r p; do
    p=${p#*/proc/}; p=${p%%/*}
    case $p in *[!0-9]* | '') continue ;; esac
    case $seen in *" $p "*) continue ;; esac
    seen="$seen$p " st=
    read -r st </proc/$p/stat || continue
    st "$st"
    [ -z "$since" ] || [ "$born" -le "$since" ] || continue
    [ "$c" -lt 64 ] || continue
    c=$((c + 1)) u=
    while read -r k x r; do case $k in Uid:) u=$x; break ;; esac; done </proc/$p/status
    case $uids in *" $u "*) ;; *) uids="$uids$u " ;; esac
    w=$(readlink /proc/$p/cwd)
    case $w in *"$l"*) w= ;; esac
    a=$(tr '\0\n' '\037 ' </proc/$p/cmdline)
    printf 'stat=%s\nuid=%s\ncwd=%s\nargv=%.4096s\n' "$st" "$u" "$w" "$a"
  done
  [ "$c" = 0 ] || {
    h=$(getconf CLK_TCK) && printf 'hz=%s\n' "$h"
    while IFS=: read -r n x u r; do
      case $uids in *" $u "*) printf 'user=%s %s\n' "$u" "$n" ;; esac
    done </etc/passwd
  }
}
}

# One work tree.
#
# Named outright (`GIT_DIR`) it is looked at whoever owns it, which in many versions no option on the
# command line could allow. In return nothing that its configuration names is run: no file system
# monitor, no hook, no filter (`git lfs` stores what it filters), no `gpg`, nothing that fetches what a
# partial clone lacks. The index is not refreshed: a git that does not know `--no-optional-locks`
# refuses it. A split index is not read, for git touches its shared half at every reading.
repo() {
case $1 in *"$l"*) return ;; esac
case $seen in *"$l$1$l"*) return ;; esac
seen=$seen$1$l
[ "$c" -lt 8 ] || return
c=$((c + 1)) tree=$1
export GIT_DIR="$tree/.git" GIT_WORK_TREE="$tree"
w=$GIT_DIR
[ -d "$w" ] || w=$(git rev-parse --absolute-git-dir) || return
set -- git --no-optional-locks --no-pager -c core.fsmonitor= -c core.hooksPath=/dev/null \
  -c log.showSignature=false -c core.quotePath=false -c status.renames=false -c diff.renames=false
x=$("$@" log -1 --format='commit=%H %ct %s') || [ -n "$("$@" rev-parse --git-dir)" ] || return
printf 'git=%s\n' "$tree"
head=$w/HEAD
read -r y <"$head"
case $y in
'ref: refs/heads/.invalid') printf 'branch=%s\n' "$("$@" symbolic-ref -q --short HEAD)" ;;
'ref: refs/heads/'*) printf 'branch=%s\n' "${y#ref: refs/heads/}" ;;
*) printf 'detached=%s\n' "$("$@" branch --no-color --no-column | sed -n 's/^[*] (\(.*\))$/\1/p')" ;;
esac
[ -z "$x" ] || printf '%.400s\n' "${x%%"$l"*}"
for x in "$w"/sharedindex.*; do [ ! -e "$x" ] || return; done
f=$("$@" config --name-only --get-regexp '^filter[.]')
case $? in 0 | 1) ;; *) return ;; esac
case $f in *[!A-Za-z0-9._"$l"-]*) return ;; esac
for x in $f; do
  case $x in
  *.clean | *.smudge | *.process) set -- "$@" -c "$x=" ;;
  *.required) set -- "$@" -c "$x=false" ;;
  esac
done
{ "$@" status --porcelain --untracked-files=normal --ignore-submodules=all; echo "=$?"; } |
  sed -n -e 's/^\(.\{393\}\).*/\1/' -e '$!{' -e '1,50s/^/change=/p' -e '}' -e '$s/^=/status=/p' -e '$='
}

# Whether one of the directories is a work tree, is in one, or has one right beneath it.
has_repository() {
command -v git >/dev/null || return
set +f
for d; do
  for e in "$d"/*/.git; do [ ! -e "$e" ] || return 0; done
  while [ -n "$d" ]; do
    [ ! -e "$d/.git" ] || return 0
    d=${d%/*}
  done
done
return 1
}

# Those work trees. The account's own configuration is not read, for it may ask for traces to be written.
repositories() {
set +f
[ -z "$nice" ] || renice -n 10 -p $$ >/dev/null
export HOME=/dev/null XDG_CONFIG_HOME=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
  GIT_ATTR_NOSYSTEM=1 GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL=none GIT_TERMINAL_PROMPT=0
l=$(printf '\nx'); l=${l%x}
seen=$l c=0
for a; do
  d=$a
  while [ -n "$d" ] && [ ! -e "$d/.git" ]; do d=${d%/*}; done
  [ -z "$d" ] || repo "$d"
  for e in "$a"/*/.git; do [ ! -e "$e" ] || repo "${e%/.git}"; done
done
}

# What could hang, the disks last: a file system that does not answer keeps only itself.
gathered() {
[ $# = 0 ] || processes
(versions)
disks "$@"
}

# Runs one of the functions above in a shell of its own that ends after $1 seconds, and hands it what it
# needs. An old `timeout` has no `-k`, and a host may have none: then the next in line is tried.
limited() {
while :; do
  ${t:+$t $1} sh -c "$s" part limited_part "$s" "$q" "$t" "$login" "$gnu" "$2"
  i=$?
  case $t/$i in
  /* | */0 | */124 | */137 | */143) return $i ;;
  *-k*) t=timeout ;;
  *) t= ;;
  esac
done
}

limited_part() {
s=$1 q=$2 t=$3 login=$4 gnu=$5 what=$6 before= nice=
set -f
set --
for k in $q; do
  dec "${k#*=}"
  case $k in
  root=*) set -- "$@" "$x" ;;
  versions=*) before=$x ;;
  pace=gentle) nice=yes ;;
  esac
done
$what "$@"
exit 0
}

facts() {
probe
echo facts=
exec 2>/dev/null
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
[ ! -r /proc/uptime ] || {
  read -r u x </proc/uptime
  read -r i </proc/sys/kernel/random/boot_id
  printf 'uptime=%s\nboot_id=%s\n' "$u" "$i"
}
t='timeout -k 1'
limited 4 gathered || lim 2 df -Pk / | sed -n '2s/^/disk=/p'
set --
for k in $q; do
  case $k in root=*) dec "${k#*=}"; set -- "$@" "$x" ;; esac
done
has_repository "$@" && limited 4 repositories
return 0
}
