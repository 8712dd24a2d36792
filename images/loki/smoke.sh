#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/loki/smoke.sh IMAGE        DOCKER names another client than docker
# shellcheck disable=SC2016  # expanded by the shell inside the container
set -eu

# shellcheck source=images/smoke.sh
. "$(dirname "$0")/../smoke.sh"

check 'Loki starts as uid 10001' run 10001:10001 loki -version
check 'Loki starts as any uid' run 12345:0 loki -version
check 'it is the version that its pin says' run 10001:10001 sh -c '
loki -version 2>&1 | grep -q "version 3\.7\.8"'
check 'its own folder for data belongs to uid 10001' run 10001:10001 sh -c '
test "$(stat -c %u:%a /var/lib/loki)" = 10001:700'
check 'nothing but /tmp can be written' run 10001:10001 sh -c '
touch /tmp/x && ! touch /usr/x && ! touch /var/lib/loki/x'
