#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/janitor/smoke.sh IMAGE        DOCKER names another client than docker
# shellcheck disable=SC2016  # expanded by the shell inside the container
set -eu

# shellcheck source=images/smoke.sh
. "$(dirname "$0")/../smoke.sh"

check 'the janitor starts as uid 50000' run 50000:50000 tradewind janitor sweep --help
check 'the janitor starts as any uid' run 12345:0 tradewind janitor run --help
check 'every module of the janitor imports' run 50000:50000 python -Ic '
import importlib, pkgutil, tradewind.janitor
for found in pkgutil.iter_modules(tradewind.janitor.__path__, "tradewind.janitor."):
    importlib.import_module(found.name)'
check 'Airflow is not installed' run 50000:50000 python -Ic '
import importlib.util
assert importlib.util.find_spec("airflow") is None
assert importlib.util.find_spec("kubernetes") is None'
check 'missing settings end with a sentence, not a traceback' run 50000:50000 sh -c '
out=$(tradewind janitor run 2>&1) && exit 1
echo "$out"
echo "$out" | grep -q TRADEWIND_JANITOR_INSTALLATION && ! echo "$out" | grep -q Traceback'
check 'no installer at run time' run 50000:50000 sh -c '
! python -m pip --version && ! command -v pip pip3 uv'
check 'no CA of the build was kept' run 50000:50000 sh -c '
test -z "${SSL_CERT_FILE-}${PIP_CERT-}" && ! ls /run/secrets/ca'
check 'nothing but /tmp can be written' run 50000:50000 sh -c '
touch /tmp/x && ! touch /opt/x && ! touch /opt/janitor/x'
