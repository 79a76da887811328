#!/usr/bin/env bash
# cargo nextest where it is installed, cargo test where it is not.
set -euo pipefail
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --no-fail-fast "$@"
fi
exec cargo test --no-fail-fast "$@"
