#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/loki/smoke.sh IMAGE        DOCKER names another client than docker
# shellcheck disable=SC2016  # expanded by the shell inside the container
set -eu

image=${1:?usage: smoke.sh IMAGE}

run() { # uid, then what replaces the entry point, then its arguments
    uid=$1 program=$2
    shift 2
    ${DOCKER:-docker} run --rm --network none --read-only --tmpfs /tmp --user "$uid" \
        --cap-drop ALL --security-opt no-new-privileges --entrypoint "$program" "$image" "$@"
}

check() { # what is claimed, then a command that has to succeed
    claim=$1
    shift
    if ! output=$("$@" 2>&1); then
        printf 'FAIL %s\n%s\n' "$claim" "$output" >&2
        exit 1
    fi
    printf 'ok   %s\n' "$claim"
}

check 'Loki starts as uid 10001' run 10001:10001 loki -version
check 'Loki starts as any uid' run 12345:0 loki -version
check 'it is the version that its pin says' run 10001:10001 sh -c '
loki -version 2>&1 | grep -q "version 3\.7\.8"'
check 'its own folder for data belongs to uid 10001' run 10001:10001 sh -c '
test "$(stat -c %u:%a /var/lib/loki)" = 10001:700'
check 'nothing but /tmp can be written' run 10001:10001 sh -c '
touch /tmp/x && ! touch /usr/x && ! touch /var/lib/loki/x'
