#!/bin/sh
# Puts PostgreSQL's programs on this machine for the coordinator's tests, which start a server of their own.
# Does nothing where they are.
set -eu

present() {
    for folder in ${CONFIDANTE_POSTGRES:+"$CONFIDANTE_POSTGRES"} $(printf %s "$PATH" | tr ':' ' ') \
        /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            echo "postgres: $folder"
            return 0
        fi
    done
    return 1
}

if present; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "No PostgreSQL here, and no apt-get to install it with. Install it by your system's own means, or set" >&2
    echo "CONFIDANTE_POSTGRES to the folder of initdb and postgres." >&2
    exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "No PostgreSQL here, and no right to install it. Run: sudo apt-get install -y postgresql" >&2
    exit 1
fi

$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
present
