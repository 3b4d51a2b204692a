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
case " $q " in
*' facts=1 '*)
  if stat -c '%f %i %d' / >/dev/null 2>&1; then
    gnu=no
    $sudo find / -maxdepth 0 -print0 >/dev/null && printf 'stat\0'
    return
  fi ;;
esac
$sudo find / -maxdepth 0 -print0
}

# Prints facts of what `find` lists with "$@", a line for each entry that ends with `//`, as no path does.
by_stat() {
exec 7>&1
y=$({
  { $sudo find "$@" -print0 7>&- 8>&- || echo $? >&8; } |
    $sudo xargs -0 -r stat -c '%f %u %g %s %Y %Z %i %d %h %b %n//' -- 2>/dev/null >&7 7>&- 8>&-
} 8>&1)
exec 7>&-
return "${y:-0}"
}

# Runs `find` with "$@" and what it has to print.
listing() {
case $gnu in
no) by_stat "$@" ;;
yes) $sudo find "$@" \( \( -type f -o -type d \) -not -readable -printf '!' , \
  -type d -not -executable -printf '!' , \
  -printf '%y %m %U %G %s %T@ %C@ %i %D %n %b %p\0%l\0' \) ;;
*) case $verb in
  files) $sudo find "$@" \( -type f -o -type l \) -print0 ;;
  *) $sudo find "$@" -print0 ;;
  esac ;;
esac || status=$?
}

# Sets $x to the real path of $1 and prints it as a record: `find` runs there, so that nothing is reached
# through a symbolic link. Only the directories above $1 are resolved, and with `whole` also $1 itself.
# What can't be resolved (it is not there, or only sudo may enter it) stays as it is.
resolve() {
case $2 in
whole) y=$1 ;;
*) y=${1%/*} y=${y:-/} ;;
esac
case $y in
"$above") ;;
*)
  above=$y
  real=$(cd -P -- "$y" 2>/dev/null && pwd -P && echo .) || real="$y
."
  real=${real%??} ;;
esac
case $2 in
whole) x=$real ;;
*) x=${real%/}/${1##*/} ;;
esac
case $gnu in
yes) printf '>%s\0\0' "$x" ;;
no) printf '>%s//\n' "$x" ;;
*) printf '>%s\0' "$x" ;;
esac
}

# `glob` is the pattern that matches just the root that follows it, where that isn't the root itself.
# A root that is a symbolic link is listed as one, not followed.
scan() {
opened || return
status=0 xdev= glob= above=
case " $q " in *' xdev=1 '*) xdev=-xdev ;; esac
for r in $q; do
  case $r in
  glob=*) dec "${r#*=}"; glob=$x ;;
  root=*)
    dec "${r#*=}"; root=$x glob=${glob:-${x%/}} or= short=yes
    resolve "$root"
    # Elsewhere than asked for, the short cut of pruning needs a pattern of its own. A name that would
    # have to be quoted in it goes without: what is pruned is left out by the matcher of fleet as well.
    case $x in
    "$root") ;;
    *[*?[\\]*) short= ;;
    *) glob=${x%/} ;;
    esac
    set -- -P "$x" $xdev
    for k in $q; do
      case $short$k in
      yesname=* | yesbeneath=*)
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
status=0 min= max= name= above=
for r in $q; do
  case $r in
  min=*) min=${r#*=} ;;
  max=*) max=${r#*=} ;;
  name=*) dec "${r#*=}"; name=$x ;;
  from=*)
    dec "${r#*=}"
    case $max in
    0) resolve "$x"; set -- -P "$x" ;;
    *) resolve "$x" whole; set -- -H "$x" ;;
    esac
    set -- "$@" -mindepth "$min"
    case $max in ?*) set -- "$@" -maxdepth "$max" ;; esac
    case $name in ?*) set -- "$@" -name "$name" ;; esac
    min= max= name=
    listing "$@" ;;
  esac
done
return $status
}
