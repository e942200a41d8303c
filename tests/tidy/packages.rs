//! The crates depend on each other as the architecture draws it, and on public crates with a reason.
//!
//! It reads the manifests line by line: they are ours, and one dependency stands on one line. Dev-dependencies are free
//! to point anywhere. Cost: a few small files.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{File, files, read, report, root};

/// Each crate of ours, and the crates of ours that it may name. Arrows point down only.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("vfs", &[]),
    ("wal", &["vfs"]),
    ("view", &["types", "vfs"]),
    ("query", &["types", "view"]),
    ("monostable", &["types", "vfs", "wal", "view", "query"]),
    ("testkit", &["types", "vfs", "monostable"]),
    ("cli", &["monostable"]),
    ("lab", &["monostable"]),
];

/// Public crates (or families of them, by prefix) that belong to one place.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("datafusion", &["query"]),
    ("memmap2", &["vfs"]),
    ("arrow-", &["types", "view", "query", "monostable"]),
    ("tokio", &["lab"]),
    ("pgwire", &["lab"]),
    ("clap", &["cli", "lab"]),
    ("zstd", &["cli"]),
];

/// Crates that put bytes on disk.
const HAVE_A_FORMAT: &[&str] = &["types", "wal", "view", "query", "monostable"];

/// Names under a section of a manifest.
fn section(manifest: &str, header: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| line.trim() != header).skip(1);
    let inside = lines.take_while(|line| !line.starts_with('['));
    let named = inside.filter(|line| line.contains('=') && line.starts_with(|c: char| c.is_ascii_alphanumeric()));
    named.filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

fn internal(name: &str) -> Option<&str> {
    if name == "monostable" { Some(name) } else { name.strip_prefix("monostable-") }
}

fn crates() -> BTreeMap<String, File> {
    let manifests = files(&["toml"])
        .into_iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"));
    manifests.map(|file| (file.path.split('/').nth(1).expect("crates/NAME").to_owned(), file)).collect()
}

#[test]
fn dependencies_point_down() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_DEPEND_ON.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, manifest) in crates() {
        let Some(below) = allowed.get(name.as_str()) else {
            wrong.push(format!("crates/{name}: not in the drawing of the architecture"));
            continue;
        };
        let named = section(&manifest.text, "[dependencies]");
        let up = named.iter().filter_map(|dependency| internal(dependency)).filter(|other| !below.contains(other));
        wrong.extend(up.map(|other| format!("crates/{name}: must not depend on {other}")));
        for (prefix, owners) in BELONGS_TO.iter().filter(|(_, owners)| !owners.contains(&name.as_str())) {
            let foreign = named.iter().filter(|dependency| dependency.starts_with(prefix));
            wrong.extend(foreign.map(|dependency| format!("crates/{name}: {dependency} belongs to {owners:?}")));
        }
    }
    report(&wrong);
}

#[test]
fn every_dependency_has_its_reason() {
    let named: BTreeSet<String> = section(&read("Cargo.toml"), "[workspace.dependencies]");
    let public: BTreeSet<String> = named.into_iter().filter(|name| internal(name).is_none()).collect();
    let page = read("docs/dependencies.md");
    let entries = page.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("`: "));
    let reasons: BTreeMap<String, &str> = entries.map(|(name, reason)| (name.to_owned(), reason)).collect();
    let mut wrong = Vec::new();
    let missing = public.iter().filter(|name| !reasons.contains_key(*name));
    wrong.extend(missing.map(|name| format!("docs/dependencies.md: no reason for {name}")));
    let left_over = reasons.keys().filter(|name| !public.contains(*name));
    wrong.extend(left_over.map(|name| format!("docs/dependencies.md: {name} is not in Cargo.toml")));
    let empty = reasons.iter().filter(|(_, reason)| reason.split_whitespace().count() < 3);
    wrong.extend(empty.map(|(name, _)| format!("docs/dependencies.md: {name} needs a reason")));
    report(&wrong);
}

/// Cargo itself is asked, as the README's reader does: with a second binary in reach, `cargo run -- demo` only says that it
/// cannot choose.
#[test]
fn cargo_run_without_a_package_means_the_command() {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let answer = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo starts");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).expect("cargo answers in JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let defaults = list(&metadata["workspace_default_members"]);
    let packages = list(&metadata["packages"]).into_iter().filter(|package| defaults.contains(&package["id"]));
    let targets = packages.flat_map(|package| list(&package["targets"]));
    let binaries: Vec<Value> = targets
        .filter(|target| list(&target["kind"]).contains(&"bin".into()))
        .map(|target| target["name"].clone())
        .collect();
    assert_eq!(binaries, ["monostable"], "see default-members in Cargo.toml");
}

#[test]
fn every_dependency_is_used_by_somebody() {
    let named: BTreeSet<String> = section(&read("Cargo.toml"), "[workspace.dependencies]");
    let manifests = files(&["toml"]).into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let used: BTreeSet<String> = manifests
        .flat_map(|file| {
            let headers =
                ["[dependencies]", "[dev-dependencies]", "[target.'cfg(target_os = \"linux\")'.dependencies]"];
            headers.map(|header| section(&file.text, header))
        })
        .flatten()
        .collect();
    let unused: Vec<String> = named.difference(&used).map(|name| format!("Cargo.toml: nobody uses {name}")).collect();
    report(&unused);
}

#[test]
fn formats_are_described_and_shown_in_the_documentation() {
    let mut wrong = Vec::new();
    let sources = files(&["rs"]);
    for name in HAVE_A_FORMAT {
        let page = format!("crates/{name}/FORMAT.md");
        if !root().join(&page).exists() {
            wrong.push(format!("{page}: missing"));
        }
        let included = sources.iter().filter(|file| file.path.starts_with(&format!("crates/{name}/src/")));
        if !included.into_iter().any(|file| file.text.contains("include_str!(\"") && file.text.contains("FORMAT.md\")"))
        {
            wrong.push(format!("{page}: not included in the documentation of the crate"));
        }
    }
    report(&wrong);
}

#[test]
fn a_section_is_read_to_its_end() {
    let manifest = "[dependencies]\n# why\na = { workspace = true }\nb.workspace = true\nc = [\n  \"x\",\n]\n\n[dev-dependencies]\nd = \"1\"\n";
    assert_eq!(section(manifest, "[dependencies]").into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(section(manifest, "[dev-dependencies]").into_iter().collect::<Vec<_>>(), ["d"]);
    assert_eq!(internal("monostable-view"), Some("view"));
    assert_eq!(internal("serde"), None);
}
