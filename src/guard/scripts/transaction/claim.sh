# shellcheck shell=sh
# One script at a time works for a restore: a connection that is cut leaves one behind for some seconds.

# Prints when the process $1 started; nothing if there is none.
started() {
y=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
# shellcheck disable=SC2086 # the fields behind the name, which may hold blanks
set -- ${y##*) }
echo "${20-}"
}

# Whether the process $1 that started at $2 still works, or what it has started does.
works() {
y=$(started "$1")
case $y in
"$2") return 0 ;;
'') sed 's/.*) . [0-9-]* [0-9-]* \([0-9-]*\) .*/\1/' /proc/[0-9]*/stat 2>/dev/null | grep -qx "$1" ;;
*) return 1 ;;
esac
}

# Whether another script works for this restore; forgets those that are gone. With `stages`, those that
# stage don't count.
others() {
for f in "$rec"/run.* ; do
  p=${f##*/run.}
  case $p in '*' | "$$.stage" | "$$") continue ;; esac
  case $p/${1-} in *.stage/stages) continue ;; esac
  if works "${p%.stage}" "$(cat "$f")"; then return 0; fi
  rm -f -- "$f"
done
return 1
}

# Registers this script, and waits until no other one works for this restore. $1 is its verb.
claim() {
# Without space for that, what only goes back and cleans up goes on: nobody else can have begun since.
mine=$rec/run.$$
case $1 in stage) mine=$mine.stage ;; esac
started $$ 2>/dev/null >"$mine" || case $1 in back | finish) ;; *) fail 1 "no space for $mine" ;; esac
waited=0
case $1 in stage) how=stages ;; *) how= ;; esac
while others $how; do
  if [ $waited -ge 30 ]; then rm -f -- "$mine"; fail 14 "a script of this restore is still at work: process ${p%.stage}"; fi
  waited=$((waited + 1))
  sleep 1
done
}

release() { rm -f -- "$rec/run.$$" "$rec/run.$$.stage"; }
