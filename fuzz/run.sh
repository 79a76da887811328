#!/usr/bin/env bash
# Runs every fuzz target for SECONDS (default 30), two at a time, on stable Rust: builds once, prints a table, fails if any
# target did. `fuzz/run.sh 600 decrypt content` runs only these. See fuzz/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-30}
shift || true
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || mapfile -t targets < <(sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' fuzz/Cargo.toml)

# libFuzzer needs these counters in the code; the options are LLVM's, so stable Rust has them. Not `--cfg fuzzing`: some
# cryptography crates leave checks out under it. The explicit target keeps the flags off build scripts and macros.
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares'
work=$PWD/target/fuzz
cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$work" --bins
programs=$work/$host/release

run_target() {
    local target=$1 log=$work/logs/$1.log
    mkdir -p "$work/corpus/$target" "$work/artifacts/$target" "$work/logs" "fuzz/corpus/$target"
    # New inputs go to the first folder; the committed seeds in the second are only read.
    "$programs/$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$work/artifacts/$target/" "$work/corpus/$target" "fuzz/corpus/$target" >"$log" 2>&1
}

status=0
printf '%-20s %12s %10s %8s  %s\n' target executions per_second edges result
finish() {
    local target=$1 pid=$2 result=ok log=$work/logs/$1.log
    wait "$pid" || { result="FAILED: see $log"; status=1; }
    local stat edges
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    edges=$(grep -ao 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2 || true)
    printf '%-20s %12s %10s %8s  %s\n' "$target" "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" \
        "$edges" "$result"
    # Whoever reads only this output gets the reason and the input itself, too.
    [[ $result == ok ]] || grep -a -A 4 'panicked at\|ERROR\|^Base64' "$log" | cut -c1-2000 | sed 's/^/    /'
}

previous=()
for target in "${targets[@]}"; do
    run_target "$target" &
    previous+=("$target:$!")
    if [[ ${#previous[@]} -eq 2 ]]; then
        for running in "${previous[@]}"; do finish "${running%%:*}" "${running##*:}"; done
        previous=()
    fi
done
for running in "${previous[@]}"; do finish "${running%%:*}" "${running##*:}"; done
exit "$status"
