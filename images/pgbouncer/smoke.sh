#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/pgbouncer/smoke.sh IMAGE        DOCKER names another client than docker
set -eu

image=${1:?usage: smoke.sh IMAGE}
docker=${DOCKER:-docker}
scratch=$(mktemp -d)
container=tradewind-pgbouncer-smoke-$$

cleanup() {
    "$docker" rm --force "$container" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT INT TERM

fail() {
    printf 'FAIL %s\n' "$1" >&2
    "$docker" logs "$container" >&2 || true
    exit 1
}

start() { # runs in the background as the chart's pod does
    "$docker" run --detach --name "$container" --network none --read-only \
        --tmpfs /tmp:mode=1777 --cap-drop ALL --security-opt no-new-privileges \
        --env DATABASE_USER=airflow \
        --volume "$scratch/password:/run/secrets/tradewind/password:ro" \
        --volume "$scratch/pgbouncer.ini:/etc/pgbouncer/pgbouncer.ini:ro" "$image" >/dev/null
}

# Quotes and spaces on purpose: passwords come from users' Secrets.
printf %s "it's \"odd\" \$HOME %41" >"$scratch/password"
cat >"$scratch/pgbouncer.ini" <<'INI'
[databases]
* = host=127.0.0.1 port=1
[pgbouncer]
listen_addr = *
listen_port = 6432
unix_socket_dir = /tmp
auth_type = scram-sha-256
auth_file = /tmp/users
pool_mode = transaction
INI
chmod 0755 "$scratch"
chmod 0444 "$scratch/password" "$scratch/pgbouncer.ini"

start
for _ in $(seq 60); do
    "$docker" exec "$container" test -S /tmp/.s.PGSQL.6432 && break
    sleep 0.5
done
"$docker" exec "$container" test -S /tmp/.s.PGSQL.6432 || fail 'not listening after 30 s'
printf 'ok   it listens as its own user on a read-only root\n'

users=$("$docker" exec "$container" cat /tmp/users)
[ "$users" = "\"airflow\" \"it's \"\"odd\"\" \$HOME %41\"" ] || fail 'the password is not quoted'
printf 'ok   an odd password is written as it is\n'

[ "$("$docker" exec "$container" stat -c %a /tmp/users)" = 600 ] || fail 'others read the password'
printf 'ok   nobody else reads the file of users\n'

"$docker" logs "$container" 2>&1 | grep -F odd && fail 'the log shows the password'
printf 'ok   the log holds no password\n'

began=$(date +%s)
"$docker" stop --time 60 "$container" >/dev/null
[ $(($(date +%s) - began)) -lt 15 ] || fail 'a stop without clients takes 15 s or more'
printf 'ok   stops at once\n'

"$docker" rm --force "$container" >/dev/null
: >"$scratch/empty"
mv -f "$scratch/empty" "$scratch/password"
start
[ "$("$docker" wait "$container")" != 0 ] || fail 'it starts without a password'
"$docker" logs "$container" 2>&1 | grep -q 'the Secret has no password' || fail 'no sentence'
printf 'ok   an empty password ends it with a sentence\n'
