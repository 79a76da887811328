#!/usr/bin/env bash
# Installs what building Sotto needs and is missing: says what and why, uses sudo if you are not root, or prints the exact
# line and stops. Does nothing, and needs no network, when everything is there.
# usage: scripts/setup.sh [build] [test] [screenshots]      (default: build)
set -euo pipefail
cd "$(dirname "$0")/.."

want=" ${*:-build} "
packages=()
reasons=()
need() { # command, Debian package, reason
    command -v "$1" >/dev/null 2>&1 && return 0
    packages+=("$2")
    reasons+=("$2: $3")
}

need protoc protobuf-compiler "compiles the .proto files of the wire protocol"
need cc build-essential "compiles SQLite and links the programs"
need c++ build-essential "compiles the fuzzing engine of the tests"
need clang clang "compiles SQLite for the browser"
need llvm-ar llvm "packs SQLite for the browser"
if [[ $want == *" test "* ]]; then
    need chromium chromium "runs the web app in the tests"
    need firefox-esr firefox-esr "runs the engine's tests as WebAssembly in a second browser"
fi

if [[ $want == *" screenshots "* ]] && ! fc-list 2>/dev/null | grep -qi emoji; then
    packages+=(fonts-noto-color-emoji)
    reasons+=("fonts-noto-color-emoji: emoji have colours on the pictures, as they have for people")
fi

if ((${#packages[@]})); then
    printf 'Missing:\n'
    printf '  %s\n' "${reasons[@]}"
    run=(apt-get install -y --no-install-recommends "${packages[@]}")
    if ! command -v apt-get >/dev/null 2>&1; then
        printf 'This machine has no apt. Install these with its own package manager, then run make again.\n' >&2
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        elevate=()
    elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null 2>&1; }; then
        elevate=(sudo)
    else
        printf 'Run this as root, then run make again:\n  apt-get update && %s\n' "${run[*]}" >&2
        exit 1
    fi
    printf 'Installing with apt: %s\n' "${packages[*]}"
    "${elevate[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${elevate[@]}" "${run[@]}" -qq >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    cat >&2 <<'T'
Missing: the Rust toolchain (1.90 or newer). Install it as https://rustup.rs says, then run make again.
T
    exit 1
fi
rust=$(rustc --version | awk '{print $2}')
if [ "$(printf '%s\n1.90.0\n' "${rust%%-*}" | sort -V | head -n 1)" != 1.90.0 ]; then
    printf 'Rust %s is too old: Sotto needs 1.90 or newer. Run: rustup update stable\n' "$rust" >&2
    exit 1
fi

if [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
    if ! command -v rustup >/dev/null 2>&1; then
        printf 'Missing: the Rust standard library for wasm32-unknown-unknown. Install Rust as https://rustup.rs says,\n' >&2
        printf 'or your distribution'"'"'s package for it, then run make again.\n' >&2
        exit 1
    fi
    printf 'Adding the Rust target wasm32-unknown-unknown (the engine of the web app)\n'
    rustup target add wasm32-unknown-unknown
fi

node_ok() { # Vite needs 20.19 or 22.12
    node -e 'const [a, b] = process.versions.node.split(".").map(Number);
        process.exit(Number(a === 20 ? b < 19 : a === 22 ? b < 12 : a < 22))' 2>/dev/null
}
if ! command -v npm >/dev/null 2>&1 || ! node_ok; then
    printf 'Missing: Node.js 20.19, 22.12 or newer with npm (it builds the web app).\n' >&2
    printf 'Install it from https://nodejs.org or your distribution, then run make again.\n' >&2
    exit 1
fi

if [[ $want == *" test "* ]]; then
    for part in clippy rustfmt; do
        cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        printf 'Adding the Rust component %s\n' "$part"
        rustup component add "$part"
    done
fi
