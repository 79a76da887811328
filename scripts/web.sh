#!/usr/bin/env bash
# Builds the browser's side: the engine as WebAssembly, its package @sotto/engine, the web app into web/dist.
# usage: scripts/web.sh [engine|app|tests]      (default: engine and app; tests: the engine's tests as WebAssembly)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/wasm-env.sh
part=${1:-all}
out=web/engine/src/wasm

[ -d web/node_modules/vite ] || (cd web && npm ci --no-audit --no-fund)

tool() {
    (unset CARGO_ENCODED_RUSTFLAGS && cargo build --quiet --locked --manifest-path xtask/Cargo.toml --target-dir target/xtask)
    target/xtask/debug/xtask "$@"
}

if [ "$part" = tests ]; then
    cargo build -q --profile wasm --locked -p sotto-wasm-tests --target wasm32-unknown-unknown
    tool bindgen target/wasm32-unknown-unknown/wasm/sotto_wasm_tests.wasm target/wasm-tests sotto_tests
    exit
fi
if [ "$part" != app ]; then
    cargo build -q --profile wasm --locked -p sotto-engine-wasm --target wasm32-unknown-unknown
    module=target/wasm32-unknown-unknown/wasm/sotto_engine_wasm.wasm
    if [ ! -f $out/sotto_engine_bg.wasm ] || [ $module -nt $out/sotto_engine_bg.wasm ]; then
        tool bindgen $module target/wasm-bindgen
        # Not --all-features: it writes what browsers do not read yet.
        # No inlining: it repeats code, and brotli makes more of calls (24 KB of 779). Measured, like "z" in Cargo.toml.
        # Low memory is unused: the stack is first, and ends there.
        # -Os instead of -Oz, and no sharing of common expressions by locals: larger by itself, smaller with brotli (7 KB).
        web/node_modules/.bin/wasm-opt --gufa -Os --skip-pass=inlining-optimizing --skip-pass=dae-optimizing \
            --skip-pass=local-cse --skip-pass=simplify-locals --low-memory-unused \
            --enable-bulk-memory --enable-bulk-memory-opt --enable-mutable-globals \
            --enable-sign-ext --enable-nontrapping-float-to-int --enable-reference-types --enable-multivalue \
            target/wasm-bindgen/sotto_engine_bg.wasm -o target/wasm-bindgen/small.wasm
        # A function that SQLite misses would be left to JavaScript, which has none.
        if grep -q 'from "env"' target/wasm-bindgen/sotto_engine.js; then
            echo "the module wants functions from \"env\": look at SQLITE_WASM_RS_FLAGS in scripts/wasm-env.sh" >&2
            exit 1
        fi
        mkdir -p $out
        cp target/wasm-bindgen/sotto_engine.js target/wasm-bindgen/sotto_engine.d.ts $out/
        mv target/wasm-bindgen/small.wasm $out/sotto_engine_bg.wasm
    fi
fi
if [ "$part" != engine ]; then
    (cd web && npm run --silent build -w engine && npm run --silent build)
fi
