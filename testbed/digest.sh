# shellcheck shell=sh
# Runs in a host's tree (`testbed run-in`), as root where that can be had, and prints one
# digest of everything that a checkpoint reads: contents, metadata, ctimes and inode
# numbers. Any write there, however small, changes it. Names end in NUL.
set -eu
export LC_ALL=C
set -- home/azureuser/translation-app etc/asterisk opt etc/systemd/system etc/model-gateway var/monitoring var/spool/cron/crontabs
for root; do
  shift
  [ ! -e "$root" ] || set -- "$@" "$root"
done
{
  find "$@" -printf '%p %y %i %n %m %U:%G %s %T@ %C@ %l\0' | sort -z
  find "$@" -type f -print0 | sort -z | xargs -0r sha256sum -z
} | sha256sum | cut -c 1-64
