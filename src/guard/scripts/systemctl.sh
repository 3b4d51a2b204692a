# shellcheck shell=sh
# The service manager that a request means: the host's, or with `manager=user` the one of the account that
# the command runs as.

# Sets $ctl to the words that talk to it. Without a manager of that account there is nothing to talk to.
manager() {
command -v systemctl >/dev/null || { m=program; return 127; }
case " $q " in
*' manager=user '*)
  uid=$($sudo id -u) || return
  [ -d "/run/user/$uid" ] || return 3
  ctl="$sudo env XDG_RUNTIME_DIR=/run/user/$uid systemctl --user --no-pager --no-ask-password" ;;
*) ctl="$sudo systemctl --no-pager --no-ask-password" ;;
esac
}

# Sets $y to the start time of the process $1, field 22 of its line, and $z to its session. Fails if it has
# ended. Its name, which may hold anything, is in parentheses before the other fields.
started() {
y=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
set -- ${y##*) }
case $1 in '' | Z | X) return 1 ;; esac
y=${20} z=$4
}
