# shellcheck shell=bash
# Starts the services of a host that has no systemd: the database server, the model gateway,
# Asterisk and dropbear, as far as they are there. Returns when they answer.

services_start() {
  local one
  for one in /etc/postgresql/*/main; do
    [ -d "$one" ] || continue
    install -d -o postgres -g postgres -m 2775 /run/postgresql
    one=${one#/etc/postgresql/}
    pg_ctlcluster --skip-systemctl-redirect "${one%/main}" main start || true
  done
  if [ -e /etc/model-gateway/env ]; then
    services_gateway </dev/null &
  fi
  if [ -x /usr/sbin/asterisk ]; then
    install -d -o asterisk -g asterisk -m 755 /run/asterisk
    # -f: no second fork, so that its output ends with the console's.
    /usr/sbin/asterisk -f -U asterisk -G asterisk </dev/null >/dev/null 2>&1 &
    services_wait /usr/sbin/asterisk -rx 'core waitfullybooted'
  fi
  if [ -e /etc/dropbear/dropbear_ed25519_host_key ]; then
    /usr/sbin/dropbear -F -E -s -p 2222 </dev/null &
    services_wait bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222'
  fi
  if [ -e /etc/model-gateway/env ]; then
    services_wait bash -c 'exec 3<>/dev/tcp/127.0.0.1/4000'
  fi
}

# As the unit says it.
services_gateway() (
  set -a
  # shellcheck source=/dev/null
  . /etc/model-gateway/env
  PYTHONDONTWRITEBYTECODE=1
  cd /opt/acme-infra/api-gateway || exit
  exec setpriv --reuid gateway --regid gateway --clear-groups \
    gateway/venv/bin/python3 gateway/server.py --config config/api-gateway/config.yaml --port 4000
)

services_wait() { # COMMAND…
  local tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "services: not there: $*" >&2 && return 0; }
    sleep 0.1
  done
}
