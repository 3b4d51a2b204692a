# shellcheck shell=sh
# Lists files with `find`. The first record says what kind of find it is, and the host's clock; see
# `ReadCommand::Scan` for the records that follow.

# Finds out what `find` can print, with the rights of the scan itself: a sudo that refuses says so
# before anything was answered.
opened() {
command -v find >/dev/null || { m=program; return 127; }
if [ -n "$sudo" ]; then
  if find / -maxdepth 0 -printf '' >/dev/null 2>&1; then
    gnu=yes
    $sudo find / -maxdepth 0 -printf "gnu $(date +%s.%N)\\0"
    return
  fi
elif find / -maxdepth 0 -printf "gnu $(date +%s.%N)\\0" 2>/dev/null; then gnu=yes; return; fi
gnu=
$sudo find / -maxdepth 0 -print0
}

# Runs `find` with "$@" and what it has to print.
listing() {
case $gnu in
yes) $sudo find "$@" \( \( -type f -o -type d \) -not -readable -printf '!' , \
  -type d -not -executable -printf '!' , \
  -printf '%y %m %U %G %s %T@ %C@ %i %D %n %b %p\0%l\0' \) ;;
*) case $verb in
  files) $sudo find "$@" \( -type f -o -type l \) -print0 ;;
  *) $sudo find "$@" -print0 ;;
  esac ;;
esac || status=$?
}

# `glob` is the pattern that matches just the root that follows it, where that isn't the root itself.
# A root that is a symbolic link is listed as one, not followed.
scan() {
opened || return
status=0 xdev= glob=
case " $q " in *' xdev=1 '*) xdev=-xdev ;; esac
for r in $q; do
  case $r in
  glob=*) dec "${r#*=}"; glob=$x ;;
  root=*)
    dec "${r#*=}"; root=$x glob=${glob:-${x%/}} or=
    set -- -P "$root" $xdev
    for k in $q; do
      case $k in
      name=* | beneath=*)
        case $or in '') set -- "$@" \( -type d -path "$glob/*" \( ;; esac
        dec "${k#*=}"
        case $k in
        name=*) set -- "$@" $or -name "$x" ;;
        *) set -- "$@" $or -path "$glob/$x" ;;
        esac
        or=-o ;;
      esac
    done
    case $or in -o) set -- "$@" \) -prune \) -o ;; esac
    glob=
    listing "$@" ;;
  esac
done
return $status
}

# What may match patterns: no deeper than it has to be, and on every file system. A link on the way to
# what a pattern names is followed, as shells do; what it names is not.
files() {
opened || return
status=0 min= max= name=
for r in $q; do
  case $r in
  min=*) min=${r#*=} ;;
  max=*) max=${r#*=} ;;
  name=*) dec "${r#*=}"; name=$x ;;
  from=*)
    dec "${r#*=}"
    case $max in 0) set -- -P "$x" ;; *) set -- -H "$x" ;; esac
    set -- "$@" -mindepth "$min"
    case $max in ?*) set -- "$@" -maxdepth "$max" ;; esac
    case $name in ?*) set -- "$@" -name "$name" ;; esac
    min= max= name=
    listing "$@" ;;
  esac
done
return $status
}
