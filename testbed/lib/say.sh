# shellcheck shell=bash
# What the test bed says, and how it ends: what happened goes to standard error, one line each.

say() { echo "testbed: $*" >&2; }

die() { # WHAT [HINT]
  echo "error: $1" >&2
  [ -z "${2:-}" ] || echo "  hint: $2" >&2
  exit 1
}

misuse() { # WHAT
  echo "error: $1" >&2
  exit 2
}
