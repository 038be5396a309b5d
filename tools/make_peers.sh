#!/bin/sh
# Make the environment of the systems we compare ourselves with, once for each state of its pins.
set -eu
target=$1
pins=requirements/peers.txt
if [ -f "$target/.ready" ] && cmp -s "$pins" "$target/.ready"; then
    exit 0
fi
sh tools/make_venv.sh "$target"
# No resolving: one pin stands in for a release that an index may lack (requirements/peers-override.txt).
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$pins"
cp "$pins" "$target/.ready"
