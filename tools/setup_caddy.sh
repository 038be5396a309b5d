#!/bin/sh
# Puts Caddy on this machine for the test of the proxy that deploy/ configures. Does nothing where it is.
set -eu
. "$(dirname "$0")/debian_package.sh"

present() {
    for name in ${CONFIDANTE_CADDY:+"$CONFIDANTE_CADDY"} caddy; do
        if command -v "$name" >/dev/null 2>&1; then
            echo "caddy: $(command -v "$name")"
            return 0
        fi
    done
    return 1
}

present || install_package caddy Caddy \
    "Install it by your system's own means, or set CONFIDANTE_CADDY to the path of one."
