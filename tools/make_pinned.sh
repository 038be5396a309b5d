#!/bin/sh
# Make an environment of its own from one file of pins, once for each state of these pins.
set -eu
target=$1
pins=$2
if [ -f "$target/.ready" ] && cmp -s "$pins" "$target/.ready"; then
    exit 0
fi
sh tools/make_venv.sh "$target"
# No resolving: a pin may stand in for a release that an index lacks (requirements/peers-override.txt).
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$pins"
cp "$pins" "$target/.ready"
