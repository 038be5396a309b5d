#!/bin/sh
# Pin every requirement with hashes for all platforms and Pythons; no index address is written.
set -eu
compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header "$@"; }
compile pyproject.toml -o requirements/device.txt
compile --extra lab pyproject.toml -o requirements/lab.txt
compile --all-extras --group dev pyproject.toml -o requirements/dev.txt
compile --group docs -o requirements/docs.txt
compile requirements/build.in -o requirements/build.txt
compile --override requirements/peers-override.txt requirements/peers.in -o requirements/peers.txt
compile requirements/plain-apsw.in -o requirements/plain-apsw.txt
