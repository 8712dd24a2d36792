#!/bin/sh
# Check a built image as its pod runs it: no network, read-only root, no privileges.
#   images/postgresql/smoke.sh IMAGE        DOCKER names another client than docker
set -eu

image=${1:?usage: smoke.sh IMAGE}
docker=${DOCKER:-docker}
scratch=$(mktemp -d)
container=tradewind-postgresql-smoke-$$

cleanup() {
    "$docker" rm --force --volumes "$container" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT INT TERM

fail() {
    printf 'FAIL %s\n' "$1" >&2
    "$docker" logs "$container" >&2 || true
    exit 1
}

start() { # the password of this start
    printf %s "$1" >"$scratch/password"
    chmod 0444 "$scratch/password"
    "$docker" rm --force "$container" >/dev/null 2>&1 || true
    "$docker" run --detach --name "$container" --network none --read-only \
        --tmpfs /tmp:mode=1777 --volume "$container:/var/lib/tradewind-postgresql" \
        --volume "$scratch/password:/run/secrets/tradewind/password:ro" \
        --cap-drop ALL --security-opt no-new-privileges "$image" >/dev/null
    for _ in $(seq 60); do
        "$docker" exec "$container" pg_isready -q -h /tmp -d postgres && return
        sleep 0.5
    done
    fail 'not ready after 30 s'
}

query() { # password, statement: over TCP, where the password counts
    "$docker" exec --env PGPASSWORD="$1" "$container" \
        psql -XAtq -h 127.0.0.1 -U airflow -d airflow -c "$2"
}

chmod 0755 "$scratch"
# Quotes and spaces on purpose: passwords come from users' Secrets.
first="it's \"odd\" \$HOME %41"
start "$first"
query "$first" 'create table kept (x int)' || fail 'the role cannot log in and create a table'
printf 'ok   empty volume: role, database and password are there\n'

query 'wrong' 'select 1' >/dev/null 2>&1 && fail 'a wrong password is accepted'
printf 'ok   a wrong password is refused\n'

[ "$(query "$first" 'select rolsuper from pg_roles where rolname = current_user')" = f ] ||
    fail 'the role is a superuser'
printf 'ok   the role is no superuser\n'

began=$(date +%s)
"$docker" stop --time 60 "$container" >/dev/null
[ $(($(date +%s) - began)) -lt 15 ] || fail 'a clean stop takes 15 s or more'
printf 'ok   stops at once\n'

second=another
start "$second"
[ "$(query "$second" "select count(*) from pg_tables where tablename = 'kept'")" = 1 ] ||
    fail 'data or the new password is missing after a restart'
query "$first" 'select 1' >/dev/null 2>&1 && fail 'the old password is still accepted'
printf 'ok   restart: data kept, password follows the Secret\n'

"$docker" logs "$container" 2>&1 | grep -F "$second" && fail 'the log shows the password'
printf 'ok   the log holds no password\n'
"$docker" rm --force "$container" >/dev/null
"$docker" volume rm "$container" >/dev/null
