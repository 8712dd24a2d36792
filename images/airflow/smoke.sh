#!/bin/sh
# Check a built image as pods run it: no network, read-only root, no privileges, uid of nobody.
#   images/airflow/smoke.sh IMAGE        DOCKER names another client than docker
# shellcheck disable=SC2016  # expanded by the shell inside the container
set -eu

# shellcheck source=images/smoke.sh
. "$(dirname "$0")/../smoke.sh"

start() { # uid, then the command, which the entry point of the image starts
    uid=$1
    shift
    confined "$uid" --env AIRFLOW__LOGGING__BASE_LOG_FOLDER=/tmp/logs "$image" "$@"
}

check 'Airflow starts as uid 50000' start 50000:50000 airflow version
check 'Airflow starts as any uid' start 12345:0 airflow version
check 'any command runs behind the init' \
    start 50000:50000 sh -c 'test "$(cat /proc/1/comm)" = catatonit'
# Looks for the code object itself: metadata alone would be found without the package.
check 'the executor is installed' start 50000:50000 python -c '
import importlib.metadata, importlib.util
importlib.metadata.version("airflow-tradewind")
assert importlib.util.find_spec("tradewind"), "no package tradewind"'
check 'what components need is installed' start 50000:50000 python -c '
import airflow.providers.cncf.kubernetes, airflow.providers.fab, airflow.providers.postgres
import airflow.providers.standard, asyncpg, psycopg2'
check 'revisions of Airflow and FAB are written down' start 50000:50000 python -Ic '
import json, pathlib, sys
heads = json.loads(pathlib.Path(sys.prefix, "share/schema_heads.json").read_text())
assert set(heads) == {"alembic_version", "alembic_version_fab"} and all(heads.values()), heads'
check 'every module is compiled' start 50000:50000 python -Ic '
import importlib.util, pathlib, sysconfig
site = pathlib.Path(sysconfig.get_path("purelib"))
missing = [p for p in site.rglob("*.py") if not pathlib.Path(importlib.util.cache_from_source(p)).exists()]
assert not [p for p in missing if "airflow" in p.parts or "tradewind" in p.parts], missing[:20]
assert len(missing) < 20, missing[:20]'
check 'no installer at run time' start 50000:50000 sh -c '
! python -m pip --version && ! command -v pip pip3 uv'
check 'no CA of the build was kept' start 50000:50000 sh -c '
test -z "${SSL_CERT_FILE-}${PIP_CERT-}" && ! ls /run/secrets/ca'
check 'nothing but /tmp can be written' start 50000:50000 sh -c '
touch /tmp/x && ! touch /opt/x && ! touch /home/x && ! touch /opt/airflow/x'
check 'waiting without a database ends with a sentence, not a traceback' start 50000:50000 sh -c '
out=$(AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://u:geheim@127.0.0.1:1/x \
    python -I /opt/tradewind/bin/metadata_db.py wait-connection --timeout-seconds 0 2>&1) && exit 1
echo "$out"
echo "$out" | grep -q "gave up waiting" && ! echo "$out" | grep -q "Traceback\|geheim"'
