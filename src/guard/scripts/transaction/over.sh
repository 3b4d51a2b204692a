# shellcheck shell=sh
# Ends a restore: the staging folders go, the record last.

# Fails unless everything of the root is in place.
commit_root() { if [ ! -e "$rec/committed" ]; then at new; fi; }

# From here on there is no way back. Without this, one root could go back while another has ended.
commit_record() {
: >"$rec/committed"
durable "$rec"
}

# Under another name, a folder that is removed by half is never taken for one to go back from. The time of
# the root comes last; until then it is written down in the record.
over_root() {
look
case $state in going | cleared | back) fail 13 "$root is at \`$state\`: it has to go forward or back first" ;; esac
case $state in
none | over) ;;
*)
  case $state in
  new)
    # Unless the staging folder alone has changed the root: then it gets the time of before.
    if [ "$(stat -c %y .)" != "$(cat "$T/ltime" 2>/dev/null)" ]; then
      moment . >"$T/rtime.part" && mv -f "$T/rtime.part" "$T/rtime"
    fi ;;
  esac
  if [ ! -s "$T/rtime" ]; then cp "$rec/mtime.$N" "$T/rtime"; fi
  if [ -d "$rec" ]; then
    cp "$T/rtime" "$rec/rtime.$N" || :
    sync "$rec/rtime.$N" 2>/dev/null || :
  fi
  durable "$T"
  mv -T "$T" "$T.over" ;;
esac
if [ -s "$T.over/rtime" ]; then y=$(cat "$T.over/rtime")
elif [ -s "$rec/rtime.$N" ]; then y=$(cat "$rec/rtime.$N")
else y=; fi
if [ -e "$T.over" ]; then
  loosen "$T.over"
  for f in "$T.over"/* "$T.over"/.[!.]*; do
    case ${f##*/} in rtime | id) ;; *) rm -rf -- "$f" ;; esac
  done
  sync "$T.over" 2>/dev/null || :
  rm -r "$T.over"
fi
case $y in ?*) touch -d "$y" . ;; esac
}

# Removes the record, and the folders that were made for it if nothing else is in them.
forget() {
if [ ! -d "$rec" ]; then return; fi
rm -rf -- "$rec"
vacate "$books"
case $uid in 0) vacate "${books%/*}" ;; esac
return 0
}
vacate() {
y=$(moment "${1%/*}/.")
if rmdir -- "$1" 2>/dev/null; then touch -d "$y" "${1%/*}/."; fi
}
