#!/usr/bin/env bash
# Builds the programs as tests use them (dev profile) and runs the end-to-end tests. SOTTO_SOAK=1: the long versions.
# Further arguments go to the test runner: tests/e2e/run.sh server_crash
set -euo pipefail
cd "$(dirname "$0")/../.."
# With the tests, as `make unit` builds them: the same features, so nothing is built twice.
cargo build --locked -q --workspace --bins --tests
if [ "${SOTTO_SOAK:-0}" != 0 ]; then export NEXTEST_PROFILE=soak; fi
exec scripts/nextest.sh e2e "$@"
