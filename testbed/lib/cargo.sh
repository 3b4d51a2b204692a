# shellcheck shell=bash
# Finds the Rust toolchain where rustup puts it, when the shell's path doesn't name it.

cargo_there() {
  command -v cargo >/dev/null || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  command -v cargo >/dev/null || die "no cargo here" "Install the Rust toolchain with rustup."
}
