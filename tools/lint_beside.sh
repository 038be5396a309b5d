#!/bin/sh
# Runs `make lint` beside the command that is given, and keeps apart what the two print: the command's output
# appears at once, the output of lint after it and only if lint fails. Succeeds if both do.
set -u
lint_output=$(mktemp)
trap 'rm -f "$lint_output"' EXIT
trap 'exit 130' INT TERM
# The environment is ready; were it made anew now, that would be under the feet of the tests.
"${MAKE:-make}" --no-print-directory --assume-old=.venv/.ready lint >"$lint_output" 2>&1 &
lint=$!
"$@"
tests_status=$?
wait "$lint"
lint_status=$?
if [ "$lint_status" -ne 0 ]; then
    cat "$lint_output"
fi
verdict() { [ "$1" -eq 0 ] && echo passed || echo FAILED; }
echo "lint and types: $(verdict "$lint_status"), tests: $(verdict "$tests_status")"
[ "$lint_status" -eq 0 ] && exit "$tests_status"
exit "$lint_status"
