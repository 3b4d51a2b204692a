# shellcheck shell=sh
# Serves one request. Every command sends this file first, then the file of its verb.
#
# The bootstrap has started this in an empty environment and has read the script into $s and the
# nonce into $l. The next line of standard input is the request: `fleet VERSION VERB KEY=VALUE…`, its
# values encoded (see `dec`). What follows is data of the verb, and behind it lines that tell that the
# other side lives; the first one comes only when all of the data was sent. Standard input stays open
# until the closing line has been seen, so its end means that the connection is gone or the command is
# cancelled.
#
#   fd 3  standard input of the connection
#   fd 4  the exit status, to the supervisor
#   $s    this script
#   $n    the nonce
#   $q    the request; its words hold no blanks and are split without quotes, with globbing off
#   $m    what is missing on the host, if that is why a verb failed: program, account or sudo
#
# A background process closes descriptors with `exec`: shells keep copies of what a redirection of a
# function or a group hides, and whoever holds fd 4 or the output open is waited for.

# Decodes a value into $x: a backslash, 0 and three octal digits stand for one byte.
dec() {
case $1 in
*\\*) x=$(printf '%bx' "$1"); x=${x%x} ;;
*) x=$1 ;;
esac
}

# Ends the process group. What ignores TERM is killed. A command that changes the host has $grace seconds to
# come to its end: most are in a known state by then.
end_group() {
case $grace in ?*) sleep "$grace" ;; esac
trap '' TERM
case $group in
'') kill -KILL $$ ;;
*) kill -TERM 0; sleep 3; kill -KILL 0 ;;
esac
}

# Ends the process group when the input ends, or when it is silent for too long.
#
# A connection can be lost without a word to this side. While something is sent to it, TCP finds out; but
# a tool that waits until it may send more would wait for ever. So the other side sends a line from time
# to time, with the seconds after which it is to be taken for lost unless it has sent another.
#
# The first line of those may have been read already; then it is $first.
watch() {
i=
case $first in ?*) silence "$first" & i=$! ;; esac
while read -r x <&3; do
  case $i in
  '') silence "$x" & i=$! ;;
  *) kill -USR1 $i ;;
  esac
done
end_group
}

# Ends the process group $1 seconds after the last USR1, if the worker lives so long.
silence() {
exec 3<&-
trap 'i=0' USR1
i=0
while [ $i -lt "$1" ]; do
  sleep 5 || exit
  i=$((i + 5))
  kill -0 $$ || exit
done
end_group
}

# Reports the status and prints the closing line, then ends whatever the verb has left behind. The
# closing line makes the other side end the input, which `watch` takes for a cancel: the status is
# reported before, and without a session of its own, whoever watches ends before.
shut() {
trap '' TERM
case $group in session) ;; *) kill $w $b 2>/dev/null ;; esac
echo "$1" >&4
printf '\n%s end %s\n' "$n" "$1${m:+ $m}"
exec >&- 4>&-
case $group in session) kill -KILL 0 ;; esac
exit "$1"
}

# A blank line on standard error every $1 seconds, while the worker lives, tells that a silent tool
# goes on.
beat() {
while sleep "$1" && kill -0 $$; do echo >&5; done </dev/null >/dev/null 2>&1 &
b=$!
}

# Feeds the list behind the request (`bytes` says how long it is) to the tool "$@", and closes.
#
# The list is read to its end before the input is watched. A list that is longer than a pipe holds
# waits in memory for that, or a tool that takes none of it would keep the end of input from being seen.
# Without a session of its own nothing watches: a tool ends when nobody takes what it prints.
listed() {
bytes=0
for k in $q; do case $k in bytes=*) bytes=${k#*=} ;; esac; done
hold=
if [ "$bytes" -gt 65536 ] && dd if=/dev/null bs=1 count=0 iflag=fullblock 2>/dev/null; then hold=yes; fi
{
  exec 2>/dev/null 4>&- 5>&-
  head -c "$bytes" <&3
  exec >&-
  case $group in session) watch ;; esac
} |
case $hold in
yes) dd bs="$bytes" count=1 iflag=fullblock 3<&- 4>&- 2>/dev/null | { "$@" 3<&- 4>&-; shut $?; } ;;
*) "$@" 3<&- 4>&-; shut $? ;;
esac
exit
}

# Sets $sudo to what has to come before a tool that runs as the account $1; nothing means root.
become() {
case $1 in
'')
  if [ "$(id -u)" = 0 ]; then sudo=
  elif command -v sudo >/dev/null; then sudo='sudo -n --'
  else m=sudo; return 71; fi ;;
*)
  id -u -- "$1" >/dev/null 2>&1 || { m=account; return 71; }
  if [ "$(id -un)" = "$1" ]; then sudo=
  elif command -v sudo >/dev/null; then sudo="sudo -n -H -u $1 --"
  elif [ "$(id -u)" = 0 ] && command -v runuser >/dev/null; then sudo="runuser -u $1 --"
  else m=sudo; return 71; fi ;;
esac
}

worker() {
n=$1 group=$2 login=$3 s=$4
exec 5>&2
trap : TERM
cd /
set -f
IFS= read -r q <&3 || exit 1
m= sudo= as= tools= w= b= grace= first=
printf '%s begin plain 1\n' "$n"
set -- $q
case "$1 $2" in 'fleet 1') ;; *) m=version; shut 77 ;; esac
verb=$3
for k in $q; do
  case $k in
  pace=gentle)
    case $verb in
    probe | facts) ;;
    *) renice -n 10 -p $$ >/dev/null 2>&1 ;;
    esac ;;
  as=*) as=${k#*=} ;;
  tools=1) tools=1 ;;
  password=1) IFS= read -r PGPASSWORD <&3 || exit 1; export PGPASSWORD ;;
  esac
done
case $tools in 1) become "$as" || shut $? ;; esac
case $verb in
begin | staged | prepare | forward | back | commit | finish | service | bootstrap) grace=8 ;;
esac
case $verb in
fetch | digest | contents | ground | begin | stage | database) $verb ;;
staged | prepare | forward | back | commit | finish | restores | offers | accounts | packages | probe | scan | files | whole | facts | run | dump | answers | services | service | bootstrap | databases)
  { exec >/dev/null 2>&1 4>&- 5>&-; watch; } &
  w=$!
  "$verb" 3<&- 4>&-
  shut $? ;;
*) m=verb; shut 77 ;;
esac
}

# Runs the worker in a session of its own, so that its whole group can be ended without this process,
# and exits with its status. Without `setsid`, the worker shares the group of the login shell, which is
# a group of this connection alone if this process leads it.
serve() {
n=$l
LC_ALL=C; export LC_ALL
exec 3<&0 5>&1 6>&2 2>/dev/null
trap : TERM
set --
if command -v setsid >/dev/null; then g=session; set -- setsid
elif [ "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ ]; then g=login
else g=; fi
r=$("$@" sh -c "$s" work "$n" "$g" "$PPID" "$s" 3<&3 4>&1 >&5 2>&6 5>&- 6>&- </dev/null)
exit "${r:-143}"
}
