#!/usr/bin/env bash
# Interop with Signal's official library: installs it once (works offline after that), builds our side, runs both.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

command -v node >/dev/null || { echo "interop: node (20 or newer) is needed; install it and run again" >&2; exit 1; }

# What is installed must be what the lock file names.
wanted=$(node -p 'require("./package-lock.json").packages["node_modules/@signalapp/libsignal-client"].version')
installed=$(node -p 'require("./node_modules/@signalapp/libsignal-client/package.json").version' 2>/dev/null || true)
if [[ $installed != "$wanted" ]]; then
    echo "interop: installing @signalapp/libsignal-client $wanted"
    # Its prebuilt library comes in the package: no install script is needed.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi

(cd "$root" && cargo build --quiet --locked --workspace --example interop)
target=${CARGO_TARGET_DIR:-$root/target}
exec node interop.mjs "$target/debug/examples/interop"
