# shellcheck shell=bash
# Finds the Rust toolchain where rustup puts it, when the shell's path doesn't name it.

cargo_there() {
  command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  command -v cargo >/dev/null || die "no cargo here" "Install the Rust toolchain with rustup."
}

# Where cargo puts what it builds of REPOSITORY: an environment variable or a configuration may say.
cargo_target() { # REPOSITORY
  (cd "$1" && cargo metadata --format-version 1 --no-deps --offline) | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# True when BINARY is newer than everything in REPOSITORY that it is made from.
cargo_current() { # REPOSITORY BINARY
  local newer
  [ -x "$2" ] || return 1
  # A folder of src is newer when a file in it was added or removed. inventory/fleet.yaml is the user's own.
  newer=$(find "$1"/{src,inventory,Cargo.toml,Cargo.lock,rust-toolchain.toml} \
    ! -path "$1/inventory" ! -path "$1/inventory/fleet.yaml" -newer "$2") && [ -z "$newer" ]
}
