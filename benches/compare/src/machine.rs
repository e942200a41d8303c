//! What the figures depend on and the workloads do not set: the machine, and the versions of the contenders.

/// The lock that this program was built from.
const LOCK: &str = include_str!("../Cargo.lock");

/// The crates whose versions are printed.
const CONTENDERS: [&str; 12] = [
    "monostable",
    "dbsp",
    "differential-dataflow",
    "duckdb",
    "fjall",
    "heed",
    "libsqlite3-sys",
    "moka",
    "redb",
    "rusqlite",
    "timely",
    "turso",
];

/// `(setting, value)` lines for the head of a report.
pub fn settings() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let versions: Vec<String> =
        CONTENDERS.iter().filter_map(|name| Some(format!("{name} {}", version(LOCK, name)?))).collect();
    vec![
        ("machine", format!("{cores} cores, {}, Linux {}", processor(), kernel())),
        ("SQLite", rusqlite::version().to_string()),
        ("versions", versions.join(", ")),
    ]
}

/// The version of a crate in a lock file.
fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, model)| model).to_string()
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_string()
}
