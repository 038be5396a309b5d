#!/bin/sh
# Puts PostgreSQL's programs on this machine for the coordinator's tests, which start a server of their own.
# Does nothing where they are.
set -eu
. "$(dirname "$0")/debian_package.sh"

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

present || install_package postgresql PostgreSQL \
    "Install it by your system's own means, or set CONFIDANTE_POSTGRES to the folder of initdb and postgres."
