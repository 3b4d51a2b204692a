# shellcheck shell=sh
# Installs packages and makes groups and users that a fresh host lacks: packages first, for they often bring
# users with them. What is there is left as it is, so that all of it may be run again.

# Runs "$@", which has to succeed; what it prints is for people.
must() {
y=$("$@" </dev/null 2>&1 5>&-) && return
printf '%s\n' "$y" | tail -n 5 >&2
printf '%s failed\n' "$1" >&2
return 1
}

install_packages() {
package_manager
for x do
  if is_installed "$x"; then continue; fi
  case $manager in
  apt-get)
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    set -- -q -y --no-remove -o DPkg::Lock::Timeout=60
    # A machine that is fresh has no lists of packages.
    must apt-get "$@" install -- "$x" 2>/dev/null || { must apt-get "$@" update && must apt-get "$@" install -- "$x"; } ;;
  apk) must apk add -- "$x" ;;
  zypper) must zypper --non-interactive install -- "$x" ;;
  dnf | yum) must "$manager" install -y -- "$x" ;;
  *) echo "the host has no package manager for $x" >&2; return 1 ;;
  esac || return
done
}

has_group() { case $(number group "$1") in '' | *[!0-9]*) return 1 ;; esac; }
has_user() { case $(number passwd "$1") in '' | *[!0-9]*) return 1 ;; esac; }

make_group() {
if has_group "$1"; then return; fi
if command -v groupadd >/dev/null; then must groupadd --system -- "$1"; else must addgroup -S -- "$1"; fi
}

# Makes the user $name, with $uid and $home where they are set, and puts it into the groups "$@".
make_user() {
case $name in '') return ;; esac
if ! has_user "$name"; then
  if command -v useradd >/dev/null; then
    set -- -- "$name"
    case $home in '') set -- --no-create-home "$@" ;; *) set -- --create-home --home-dir "$home" "$@" ;; esac
    if has_group "$name"; then set -- --gid "$name" "$@"; else set -- --user-group "$@"; fi
    case $uid in ?*) set -- --uid "$uid" "$@" ;; esac
    must useradd "$@" || return
  else
    set -- -- "$name"
    case $home in '') set -- -H "$@" ;; *) set -- -h "$home" "$@" ;; esac
    if has_group "$name"; then set -- -G "$name" "$@"; fi
    case $uid in ?*) set -- -u "$uid" "$@" ;; esac
    must adduser -D "$@" || return
  fi
fi
for x in $members; do
  dec "$x"
  if command -v usermod >/dev/null; then must usermod -a -G "$x" -- "$name"; else must addgroup "$name" "$x"; fi || return
done
}

bootstrap() {
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
beat 5
set --
for k in $q; do case $k in package=*) dec "${k#*=}"; set -- "$@" "$x" ;; esac; done
install_packages "$@" || return 1
name='' uid='' home='' members=''
for k in $q; do
  case $k in
  group=*) dec "${k#*=}"; make_group "$x" || return 1 ;;
  user=*) make_user || return 1; dec "${k#*=}"; name=$x uid='' home='' members='' ;;
  uid=*) uid=${k#*=} ;;
  home=*) dec "${k#*=}"; home=$x ;;
  member=*) members="$members ${k#*=}" ;;
  esac
done
make_user || return 1
}
