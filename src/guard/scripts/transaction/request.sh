# shellcheck shell=sh
# The verbs as requests ask for them.

asked() {
id= stubborn= any_device=
for k in $q; do case $k in id=*) dec "${k#*=}"; id=$x ;; esac; done
locate
}

# Runs "$@" in each root of the request, as `each_recorded` does in those of the record.
each() {
N=0 r=0 d= o=
for k in $q; do
  case $k in
  dev=*) d=${k#*=} ;;
  ino=*) o=${k#*=} ;;
  root=*)
    dec "${k#*=}"
    y=$r
    in_root "$x" "$d" "$o" "$@"
    case $y in 0) ;; *) r=$y ;; esac
    case $r/$stubborn in 0/* | */yes) ;; *) return "$r" ;; esac
    N=$((N + 1)) d='' o='' ;;
  esac
done
return "$r"
}

# Prints the state of each root.
answer() {
N=0
for k in $q; do
  case $k in
  root=*)
    dec "${k#*=}"
    ( state=lost; if cd -P -- "$x" 2>/dev/null; then look; fi; echo "at $N $state" )
    N=$((N + 1)) ;;
  esac
done
}

# Without its record a restore can still go either way, and end.
begun_here() {
case $verb in
forward | back | finish) if [ ! -e "$rec" ] && [ ! -L "$rec" ]; then return; fi ;;
esac
record_is_ours
claim "$verb"
}

# Takes each root a step further by "$@", and answers where they all are then. Nothing is printed before: a
# connection that is cut must not end what it began.
steps() {
asked || return
case $verb in back | finish) stubborn=yes ;; esac
( set -eu +f; umask 077; begun_here )
r=$?
case $r in 0) ;; *) return $r ;; esac
beat 5
each "$@"
r=$?
case $r/$verb in 0/finish) forget ;; *) release ;; esac
s=$r
answer
return "$s"
}

staged() { steps stage_end; }
prepare() { steps prepare_root; }
forward() { steps forward_root; }
back() { steps back_root; }
finish() { steps over_root; }
commit() {
steps commit_root || return
( set -eu; record_is_ours; commit_record )
}
