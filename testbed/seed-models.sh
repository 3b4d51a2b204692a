# shellcheck shell=bash
# Part of `seed`: the model gateway, its Python environment, units and smoke logs.
# shellcheck disable=SC2154 # root, here, epoch: `seed` sets them

models=/opt/acme-infra/api-gateway
gateway=121:121

# The model gateway: configuration, tests, service scripts, a Python environment, smoke logs.
seed_gateway() {
  local name
  [ ! -e "$root/etc/passwd" ] || account gateway ${gateway%:*} $models /usr/sbin/nologin '*'
  {
    echo 'model_list:'
    for name in chat-{01..12} emb-{light,premium,code,vision}; do
      printf '  - model_name: %s\n    litellm_params: { model: "ollama/%s", api_base: "http://198.51.100.29:11434" }\n' "$name" "$name"
    done
    printf 'general_settings:\n  master_key: os.environ/MASTER_KEY\n'
  } | put $models/config/api-gateway/config.yaml 644
  put $models/gateway/server.py 644 <"$here/seed-gateway.py"
  mkdir -p "$root$models/gateway/backups"
  put $models/scripts/tests/gateway/config.env 644 <<'END'
GATEWAY=http://127.0.0.1:4000
WANTED_MODELS=16
END
  for name in models embeddings chat; do
    put $models/scripts/tests/gateway/test_$name.sh 755 <<END
#!/bin/bash
# Stands for the test of $name, which the smoke test runs every hour.
. "\$(dirname "\$0")/config.env"
echo "$name: \$GATEWAY"
END
  done
  put $models/scripts/tests/gateway/run_all.sh 755 <<'END'
#!/bin/bash
for test in "$(dirname "$0")"/test_*.sh; do "$test"; done
END
  for name in start stop status; do
    put $models/scripts/service/api-gateway/$name.sh 755 <<END
#!/bin/bash
exec systemctl $name model-gateway.service
END
  done
  seed_venv
  put /etc/model-gateway/env 600 <<<'MASTER_KEY=sk-test-invented-4000'
  touch -d "@$epoch" "$root/etc/model-gateway/env" "$root/etc/model-gateway"
  stamp "$root/opt/acme-infra"
  own 0:0 "$root/opt/acme-infra"
  own 0:${gateway#*:} "$root$models/config"
  own $gateway "$root$models/scripts" "$root$models/gateway/backups"
}

# A virtual environment over the system's Python, holding the records of its packages.
seed_venv() {
  local venv=$models/gateway/venv python one name version info
  python=$(readlink "$root/usr/bin/python3" || echo python3.9)
  python=${python##*/}
  put "$venv/pyvenv.cfg" 644 <<END
home = /usr/bin
include-system-site-packages = true
version = ${python#python}
END
  mkdir -p "$root$venv/bin"
  ln -sfn /usr/bin/python3 "$root$venv/bin/python3"
  for one in litellm-1.74.9 fastapi-0.116.1 uvicorn-0.35.0 httpx-0.28.1 pydantic-2.11.7 openai-1.97.1; do
    name=${one%-*} version=${one##*-} info=$venv/lib/$python/site-packages/$one.dist-info
    put "$info/METADATA" 644 < <(printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "$name" "$version")
    put "$info/INSTALLER" 644 <<<pip
  done
  put "$venv/bin/pip" 755 <<END
#!$venv/bin/python3
import sys
from pip._internal.cli.main import main
sys.exit(main())
END
  put "$venv/bin/litellm" 755 <<END
#!$venv/bin/python3
from importlib.metadata import version
print("LiteLLM: Current Version =", version("litellm"))
END
}

seed_models_units() {
  local i wants=$root/etc/systemd/system/multi-user.target.wants
  put /etc/systemd/system/model-gateway.service 644 <<END
[Unit]
Description=Model gateway on port 4000
After=network.target

[Service]
Type=notify
User=gateway
WorkingDirectory=$models
EnvironmentFile=/etc/model-gateway/env
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=$models/gateway/venv/bin/python3 gateway/server.py --config config/api-gateway/config.yaml --port 4000
Restart=on-failure

[Install]
WantedBy=multi-user.target
END
  put /etc/systemd/system/model-gateway-smoke.service 644 <<END
[Unit]
Description=Smoke test of the model gateway
After=model-gateway.service

[Service]
Type=oneshot
User=gateway
ExecStart=$models/scripts/tests/gateway/run_all.sh
END
  put /etc/systemd/system/model-gateway-smoke.timer 644 <<'END'
[Timer]
OnCalendar=hourly

[Install]
WantedBy=timers.target
END
  mkdir -p "$wants"
  ln -sfn /etc/systemd/system/model-gateway.service "$wants/model-gateway.service"
  for i in 1 2 3 4 5; do
    put /var/log/gw-smoke-2025101$i.log 644 <<<"2025-10-1$i 16 models, embeddings ok"
    touch -d "@$((epoch + i * 86400))" "$root/var/log/gw-smoke-2025101$i.log"
    own $gateway "$root/var/log/gw-smoke-2025101$i.log"
  done
  touch -h -d "@$epoch" "$wants/model-gateway.service" "$root"/etc/systemd/system/model-gateway*
  touch -d "@$epoch" "$wants" "$root/etc/systemd/system"
}
