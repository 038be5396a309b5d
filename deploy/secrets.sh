#!/bin/sh
# Make the secrets of compose.yaml, each at random, and the folder of the population. Keeps what is there.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
[ -s secrets/postgres_password ] || random >secrets/postgres_password
[ -s secrets/operator_key ] || random >secrets/operator_key
printf 'postgresql://confidante:%s@postgres/confidante\n' "$(cat secrets/postgres_password)" >secrets/database
# Compose hands files over with the owner and mode that they have here; the coordinator is account 10001.
if [ "$(id -u)" = 0 ]; then
    chown 10001:10001 secrets/database secrets/operator_key
else
    echo "Not root: let account 10001 read them: sudo chown 10001:10001 deploy/secrets/database deploy/secrets/operator_key" >&2
fi
umask 022
mkdir -p state
echo "Secrets are in deploy/secrets. Now put films.toml and its catalogue into deploy/state:"
echo "  confidante coordinator init deploy/state/films.toml"
