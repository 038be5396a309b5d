#!/bin/sh
# Puts a Chromium on this machine for the tests of the person's page. Does nothing where there is one.
set -eu

present() {
    for name in ${CONFIDANTE_CHROMIUM:+"$CONFIDANTE_CHROMIUM"} chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null 2>&1; then
            echo "browser: $(command -v "$name")"
            return 0
        fi
    done
    return 1
}

if present; then
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium here, and no apt-get to install it with. Install Chromium or Chrome by your system's own" >&2
    echo "means, or set CONFIDANTE_CHROMIUM to the path of one." >&2
    exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "No Chromium here, and no right to install it. Run: sudo apt-get install -y chromium" >&2
    exit 1
fi

$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
present
