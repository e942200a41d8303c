# What a laptop runs is what CI runs.

# formatting and lints
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# all tests
test:
    cargo test --workspace

# the benchmarks of benches/
bench *ARGS:
    cargo bench --package monostable-benches {{ARGS}}

# Monostable beside its peers, which are heavy to build; for example: just compare w1 --quick
compare *ARGS:
    cargo run --release --manifest-path benches/compare/Cargo.toml -- {{ARGS}}

# the laboratory, for example: just lab quick
lab *ARGS:
    cargo run --release --package monostable-lab -- {{ARGS}}

# one fuzz target, for example: just fuzz row_codec -max_total_time=60
fuzz TARGET *ARGS:
    cargo +nightly fuzz run {{TARGET}} -- {{ARGS}}

# generated histories in a large number
soak CASES="10000":
    PROPTEST_CASES={{CASES}} cargo test --release --package monostable-tests histories

# licences, duplicates, advisories
deny:
    cargo deny check

# everything that must be green before a merge
ci:
    .ci/run
