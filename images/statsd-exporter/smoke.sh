#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/statsd-exporter/smoke.sh IMAGE        DOCKER names another client than docker
# shellcheck disable=SC2016  # expanded by the shell inside the container
set -eu

# shellcheck source=images/smoke.sh
. "$(dirname "$0")/../smoke.sh"

check 'the exporter starts as uid 65534' run 65534:65534 statsd_exporter --version
check 'the exporter starts as any uid' run 12345:0 statsd_exporter --version
check 'it is the version that its pin says' run 65534:65534 sh -c '
statsd_exporter --version 2>&1 | grep -q "version 0\.31\.0"'
check 'it answers on the address that it is given' run 65534:65534 bash -c '
statsd_exporter --web.listen-address=127.0.0.1:9102 --statsd.listen-tcp= 2>/tmp/said &
for _ in $(seq 100); do
    { exec 3<>/dev/tcp/127.0.0.1/9102; } 2>/dev/null && break
    sleep 0.1
done
printf "GET /-/ready HTTP/1.0\r\n\r\n" >&3 && head -1 <&3 | grep -q " 200 "'
check 'nothing but /tmp can be written' run 65534:65534 sh -c 'touch /tmp/x && ! touch /usr/x'
