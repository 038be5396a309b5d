#!/bin/sh
# Puts a Chromium on this machine for the tests of the person's page. Does nothing where there is one.
set -eu
. "$(dirname "$0")/debian_package.sh"

present() {
    for name in ${CONFIDANTE_CHROMIUM:+"$CONFIDANTE_CHROMIUM"} chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null 2>&1; then
            echo "browser: $(command -v "$name")"
            return 0
        fi
    done
    return 1
}

present || install_package chromium Chromium \
    "Install Chromium or Chrome by your system's own means, or set CONFIDANTE_CHROMIUM to the path of one."
