# What CI runs, as recipes: `just --list`. `.ci/run` installs what they need and runs them in order.

# Everything that needs no further tool than cargo.
default: fmt clippy test

# Everything that can be checked without searching or measuring; needs cargo-deny and mdbook.
check: fmt clippy deny docs fuzz-seeds test

# All tests: unit, property, conformance, whole processes.
test:
    cargo test --workspace

# The formatting, unchanged by the check.
fmt:
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path fuzz/Cargo.toml

# Every lint of the workspace, warnings as errors; and of the store as an agent builds it.
clippy:
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p claviger-store --no-default-features -- -D warnings

# Walls between the houses, licences, sources (deny.toml).
deny:
    cargo deny check bans licenses sources

# Known advisories; needs the advisory database from the network.
advisories:
    cargo deny check advisories

# The API documentation and the book, both into target/; and whether the threat model names real tests.
docs:
    .ci/threats
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    mdbook build docs

# The README's first command, which ends by itself here.
quickstart:
    cargo run --release --bin key-broker -- quickstart --exit

# Searches with every fuzz target for some seconds, two at a time (a nightly compiler and cargo-fuzz).
fuzz seconds="20":
    cargo +nightly fuzz build --target-dir target/fuzz
    cargo +nightly fuzz list | xargs -P 2 -I TARGET just fuzz-target TARGET {{ seconds }}

# Searches with one fuzz target.
fuzz-target target seconds="60":
    mkdir -p fuzz/corpus/{{ target }}
    cargo +nightly fuzz run --target-dir target/fuzz {{ target }} fuzz/corpus/{{ target }} fuzz/seeds/{{ target }} -- \
        -max_total_time={{ seconds }} -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_funcs=0 -print_final_stats=1

# Every seed through its fuzz target, with the stable compiler.
fuzz-seeds:
    cargo test --manifest-path fuzz/Cargo.toml --target-dir target/fuzz-seeds --no-default-features --lib

# The benchmark of a start, as one JSON object.
bench:
    cargo run --release --bin claviger-bench -- start --output json
