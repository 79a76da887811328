#!/usr/bin/env bash
# Runs one stage of make: prints its name, runs it, prints how long it took.
# usage: scripts/stage.sh "name" command...
set -uo pipefail
name=$1
shift
printf '\n== %s\n' "$name"
start=$SECONDS
"$@"
status=$?
if ((status)); then
    printf '== %s: FAILED after %d s (%s)\n' "$name" $((SECONDS - start)) "$*" >&2
    exit "$status"
fi
printf '== %s: done in %d s\n' "$name" $((SECONDS - start))
