# shellcheck shell=bash
# Installs what is missing with apt, asking before root is used where somebody can answer.

# packages_need WHY COMMAND:PACKAGE… — 0 when all commands are there afterwards, 1 if not.
packages_need() {
  local why=$1 pair wanted=
  shift
  PATH=$PATH:/usr/sbin:/sbin
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || wanted="$wanted ${pair#*:}"
  done
  [ -n "$wanted" ] || return 0
  # shellcheck disable=SC2086 # a list of names
  packages_install "$why" $wanted || return 1
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || { say "still no \`${pair%%:*}\` after installing" && return 1; }
  done
}

packages_install() { # WHY PACKAGE…
  local why=$1 sudo=
  shift
  if ! command -v apt-get >/dev/null; then
    say "skipped: $why needs $*, and there is no apt here to install them"
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
      say "skipped: $why needs $*, and installing takes root (sudo apt-get install $*)"
      return 1
    fi
  fi
  if [ -t 0 ] && ! packages_agreed "$why" "$*"; then
    say "skipped: $why, as you wish"
    return 1
  fi
  say "installing $* for $why"
  # The lists may be absent or old, and a source of somebody else's may be out of reach:
  # only the installation itself decides.
  packages_apt "$sudo" "$@" >/dev/null 2>&1 && return 0
  $sudo apt-get update -qq >/dev/null 2>&1 || true
  packages_apt "$sudo" "$@" >"${TMPDIR:-/tmp}/testbed-apt.$$" 2>&1 && {
    rm -f "${TMPDIR:-/tmp}/testbed-apt.$$"
    return 0
  }
  tail -n 5 "${TMPDIR:-/tmp}/testbed-apt.$$" >&2
  rm -f "${TMPDIR:-/tmp}/testbed-apt.$$"
  return 1
}

packages_apt() { # SUDO PACKAGE…
  local sudo=$1
  shift
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

packages_agreed() { # WHY PACKAGES
  local answer
  printf 'testbed: %s needs these packages, and root to install them: %s\nInstall them? [Y/n] ' "$1" "$2" >&2
  read -r answer || return 1
  case $answer in '' | y | Y | yes) return 0 ;; *) return 1 ;; esac
}
