# shellcheck shell=sh
# Sends the SHA-256 of the regular files of a list. Hashing is silent for long on large files.
digest() {
beat 5 3<&- 4>&-
listed xargs -0 -r $sudo sha256sum -z --
}
