# shellcheck shell=sh
# What the images' smoke tests share; sourced with their argument, the image.
#   DOCKER names another client than docker

image=${1:?usage: smoke.sh IMAGE}

confined() { # uid, then the rest of `docker run`: options, image, command
    uid=$1
    shift
    ${DOCKER:-docker} run --rm --network none --read-only --tmpfs /tmp --user "$uid" \
        --cap-drop ALL --security-opt no-new-privileges "$@"
}

run() { # uid, then what replaces the entry point, then its arguments
    uid=$1 program=$2
    shift 2
    confined "$uid" --entrypoint "$program" "$image" "$@"
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
