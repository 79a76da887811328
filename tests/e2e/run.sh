#!/usr/bin/env bash
# Builds the programs as tests use them (dev profile) and runs the end-to-end tests. SOTTO_SOAK=1: the long versions.
# Further arguments go to the test runner: tests/e2e/run.sh server_crash
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --locked -q -p sotto-server -p sotto-cli
if cargo nextest --version >/dev/null 2>&1; then
    profile=default
    if [ "${SOTTO_SOAK:-0}" != 0 ]; then profile=soak; fi
    exec cargo nextest run --locked --no-fail-fast --profile "$profile" -p sotto-e2e "$@"
fi
exec cargo test --locked --no-fail-fast -p sotto-e2e "$@" -- --test-threads=2
