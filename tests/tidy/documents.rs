//! What the documents say must exist: links lead somewhere, and commands in code blocks are ones that we have.
//!
//! It does not run the commands and does not follow links out of the repository. Cost: one pass over the Markdown files.

use super::{File, files, report, root};
use std::collections::BTreeSet;

/// The subcommands of the `monostable` binary.
const SUBCOMMANDS: &[&str] = &["check", "demo", "sql", "stats"];
/// The subcommands of the `monostable-lab` binary.
const LAB_SUBCOMMANDS: &[&str] = &["full", "quick", "report", "run"];
/// Cargo's own commands that a document may name; `fuzz`, `deny` and `nextest` are well-known extensions.
const CARGO: &[&str] =
    &["add", "bench", "build", "check", "clippy", "deny", "doc", "fmt", "fuzz", "install", "nextest", "run", "test"];
/// Other programs that a document may name.
const PROGRAMS: &[&str] =
    &[".ci/run", "cd", "crates/lab/servers.sh", "curl", "git", "kill", "ls", "mkdir", "psql", "rm", "rustup"];

/// Text and number of each line outside code fences.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// Targets of inline links on one line: `[text](target)`, without an optional title.
fn links(line: &str) -> Vec<String> {
    let outside_code: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
    let mut rest = outside_code.as_str();
    let mut found = Vec::new();
    while let Some(at) = rest.find("](") {
        rest = &rest[at + 2..];
        let target = rest.split([')', ' ']).next().unwrap_or_default();
        found.push(target.to_owned());
    }
    found
}

/// The anchor of a heading as Markdown viewers make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_matches(['#', ' ']).to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn resolves(file: &File, target: &str) -> bool {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return true;
    }
    let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
    let here = root().join(&file.path);
    let there = if path.is_empty() { here } else { here.parent().expect("a file has a directory").join(path) };
    if wanted.is_empty() {
        return there.exists();
    }
    let text = std::fs::read_to_string(&there).unwrap_or_default();
    text.lines().any(|line| line.starts_with('#') && anchor(line) == wanted)
}

#[test]
fn links_in_documents_resolve() {
    let mut wrong = Vec::new();
    for file in files(&["md"]) {
        for (line, text) in prose(&file) {
            let broken = links(text).into_iter().filter(|target| !resolves(&file, target));
            wrong.extend(broken.map(|target| format!("{}:{line}: nothing is at {target}", file.path)));
        }
    }
    report(&wrong);
}

/// Command lines of the shell blocks of a document. In a `console` block only what follows a prompt is a command.
fn commands(file: &File) -> Vec<(usize, String)> {
    let mut language = None;
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in file.text.lines().enumerate() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            language = if language.is_some() { None } else { Some(fence.trim().to_owned()) };
            continue;
        }
        let command = match language.as_deref() {
            Some("sh" | "bash" | "shell") => line.trim(),
            Some("console") if continued => line.trim(),
            Some("console") => line.trim().strip_prefix("$ ").unwrap_or_default(),
            _ => continue,
        };
        let text = command.trim_end_matches('\\').trim();
        if continued {
            let last = found.last_mut().expect("a continued command has a beginning");
            last.1 = format!("{} {text}", last.1);
        } else if !text.is_empty() && !text.starts_with('#') {
            found.push((index + 1, text.to_owned()));
        }
        continued = command.ends_with('\\');
    }
    found
}

fn recipes() -> BTreeSet<String> {
    let justfile = std::fs::read_to_string(root().join("justfile")).expect("the justfile is there");
    let headers = justfile.lines().filter(|line| line.contains(':') && !line.starts_with([' ', '#']));
    headers.filter_map(|line| line.split([' ', ':']).next()).map(str::to_owned).collect()
}

fn fuzz_targets() -> BTreeSet<String> {
    let listed = files(&["rs"]).into_iter().filter(|file| file.path.starts_with("fuzz/targets/"));
    listed.filter_map(|file| Some(file.path.rsplit('/').next()?.strip_suffix(".rs")?.to_owned())).collect()
}

/// Whether a cargo command, given without `cargo` itself, names things that are there.
fn cargo_is_known(words: &[&str], manifests: &[File]) -> bool {
    let words = if words.first().is_some_and(|word| word.starts_with('+')) { &words[1..] } else { words };
    let Some(subcommand) = words.first() else { return false };
    if !CARGO.contains(subcommand) {
        return false;
    }
    let value_of =
        |flags: &[&str]| words.iter().position(|word| flags.contains(word)).and_then(|at| words.get(at + 1)).copied();
    let package_is_known = value_of(&["-p", "--package"]).is_none_or(|package| {
        manifests.iter().any(|manifest| manifest.text.contains(&format!("\nname = \"{package}\"")))
    });
    let example_is_known = value_of(&["--example"]).is_none_or(|example| {
        files(&["rs"]).iter().any(|file| file.path.ends_with(&format!("/examples/{example}.rs")))
    });
    let target_is_known =
        value_of(&["fuzz"]).is_none_or(|_| words.get(2).is_some_and(|target| fuzz_targets().contains(*target)));
    let runs_binary = *subcommand == "run" && value_of(&["--example"]).is_none();
    let subcommands = if value_of(&["-p"]) == Some("monostable-lab") { LAB_SUBCOMMANDS } else { SUBCOMMANDS };
    let subcommand_is_known =
        !runs_binary || value_of(&["--"]).is_some_and(|word| subcommands.contains(&word) || word == "--help");
    package_is_known && example_is_known && target_is_known && subcommand_is_known
}

fn is_known(command: &str, manifests: &[File]) -> bool {
    let words: Vec<&str> =
        command.split_whitespace().skip_while(|word| word.contains('=') && !word.starts_with('-')).collect();
    match words.as_slice() {
        ["cargo", rest @ ..] => cargo_is_known(rest, manifests),
        ["just", recipe, ..] => recipes().contains(*recipe),
        ["monostable" | "target/release/monostable", subcommand, ..] => {
            SUBCOMMANDS.contains(subcommand) || *subcommand == "--help"
        }
        ["monostable-lab" | "target/release/monostable-lab", subcommand, ..] => {
            LAB_SUBCOMMANDS.contains(subcommand) || *subcommand == "--help"
        }
        [program, ..] => PROGRAMS.contains(program),
        [] => true,
    }
}

#[test]
fn commands_in_documents_exist() {
    let manifests: Vec<File> = files(&["toml"]).into_iter().filter(|file| file.path.ends_with("Cargo.toml")).collect();
    let mut wrong = Vec::new();
    for file in files(&["md"]) {
        let unknown = commands(&file)
            .into_iter()
            .filter(|(_, command)| !command.split(" | ").all(|part| is_known(part, &manifests)));
        wrong.extend(unknown.map(|(line, command)| format!("{}:{line}: no such command: {command}", file.path)));
    }
    report(&wrong);
}

#[test]
fn recipes_named_in_documents_exist() {
    let mut wrong = Vec::new();
    let recipes = recipes();
    for file in files(&["md"]) {
        for (line, text) in prose(&file) {
            let named = text.split('`').skip(1).step_by(2).filter_map(|code| code.strip_prefix("just "));
            let unknown = named.filter(|rest| !recipes.contains(rest.split(' ').next().unwrap_or_default()));
            wrong.extend(unknown.map(|rest| format!("{}:{line}: no such recipe: just {rest}", file.path)));
        }
    }
    report(&wrong);
}

#[test]
fn a_wrong_command_is_noticed() {
    let file = |path: &str, text: &str| File { path: path.into(), text: text.into(), is_test: false };
    let manifest = file("Cargo.toml", "[package]\nname = \"monostable-view\"\n");
    let manifests = [manifest];
    for command in
        ["cargo run --release -- demo", "cargo test --workspace", "A=1 cargo test -p monostable-view", "just ci"]
    {
        assert!(is_known(command, &manifests), "{command}");
    }
    for command in [
        "cargo run --release -- dmeo",
        "cargo tset",
        "cargo test -p nothing",
        "just sleep",
        "frobnicate",
        "monostable lab",
        "monostable-lab demo",
        "cargo run -p monostable-lab -- demo",
    ] {
        assert!(!is_known(command, &manifests), "{command}");
    }
    let page = file("a.md", "```console\n$ cargo \\\n  tset\noutput\n```\n");
    assert_eq!(commands(&page), [(2, "cargo tset".to_owned())]);
    assert_eq!(links("see [a](b.md#c) and `[x](y)` and [d](e \"title\")"), ["b.md#c", "e"]);
    assert_eq!(anchor("## G1 - complete, always"), "g1---complete-always");
}
