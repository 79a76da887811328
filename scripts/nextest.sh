#!/usr/bin/env bash
# Runs tests: cargo nextest where it is installed, cargo test where it is not. Both kinds select the whole workspace and
# filter, so that dependencies are built once: another selection of packages would be another selection of features.
# usage: scripts/nextest.sh unit|e2e [arguments of the runner]
set -euo pipefail
kind=$1
shift
if cargo nextest --version >/dev/null 2>&1; then
    case $kind in
    unit) filter='not package(sotto-e2e)' ;;
    e2e) filter='package(sotto-e2e)' ;;
    esac
    exec cargo nextest run --locked --no-fail-fast --workspace -E "$filter" "$@"
fi
case $kind in
unit) exec cargo test --locked --no-fail-fast --workspace --exclude sotto-e2e "$@" ;;
# Two at a time: crash tests are at full speed by design.
e2e) exec cargo test --locked --no-fail-fast -p sotto-e2e "$@" -- --test-threads=2 ;;
esac
