#!/usr/bin/env bash
# Types and lint of the browser's side, Rust and TypeScript. Needs what scripts/web.sh built.
set -euo pipefail
cd "$(dirname "$0")/.."
(. scripts/wasm-env.sh && cargo clippy -q --profile wasm --locked -p sotto-engine-wasm -p sotto-wasm-tests --target wasm32-unknown-unknown -- -D warnings)
(cd web && npm run --silent check)
