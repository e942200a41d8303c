//! House style as a failing test. Each check says which file and line, and what the rule is.
//!
//! What the compiler and clippy can check is left to them. The lists of exceptions are a ratchet: an entry may shrink or
//! go, a file that has become shorter must be entered with its new length, and nothing is added lightly.
//! Cost: reads every text file of the repository once per check.

mod documents;
mod packages;
mod source;

use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer than the limit, with the length they may have.
const LONG_FILES: &[(&str, usize)] = &[];
/// Functions that are longer than the limit, as `path: name`, with the length they may have.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// The one module that maps files, where `unsafe` is allowed.
const UNSAFE_MODULES: &[&str] = &["crates/vfs/src/mapping.rs"];
/// A workspace that holds peers for comparison; their interfaces ask for `unsafe`.
const PEERS: &str = "benches/compare/";

/// Ways out of the library, and the only modules that may take them. Tests, the command, the laboratory, the test kit and
/// the benchmarks are processes of their own and not bound by this.
const SEAMS: &[(&str, &[&str])] = &[
    ("std::fs", &["crates/vfs/src/os.rs", "crates/vfs/src/mapping.rs"]),
    ("Instant::now", &["crates/monostable/src/options.rs"]),
    ("SystemTime::now", &["crates/monostable/src/options.rs"]),
    ("thread::spawn", &["crates/monostable/src/background.rs"]),
    ("thread::Builder", &["crates/monostable/src/background.rs"]),
    ("thread::scope", &["crates/monostable/src/background.rs"]),
    ("ThreadPoolBuilder", &["crates/monostable/src/options.rs"]),
    ("RandomState", &["crates/monostable/src/options.rs"]),
    ("process::exit", &[]),
    ("process::abort", &[]),
    ("env::var", &[]),
];

/// A text file of the repository, with its path relative to the root.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    /// Whether the file holds nothing but tests.
    is_test: bool,
}

impl File {
    /// Whether the file is part of a library crate, where the seams hold.
    fn is_library(&self) -> bool {
        let exempt = ["crates/cli/", "crates/lab/", "crates/testkit/"];
        self.path.starts_with("crates/")
            && self.path.contains("/src/")
            && !self.is_test
            && !exempt.iter().any(|prefix| self.path.starts_with(prefix))
    }
}

/// The beginnings of the paths of modules that are compiled for tests only.
fn test_modules(sources: &[File]) -> Vec<String> {
    let mut found = vec!["tests/".to_owned(), "benches/".to_owned()];
    for file in sources {
        let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let owner = match name {
            "lib.rs" | "main.rs" | "mod.rs" => directory.to_owned(),
            _ => format!("{directory}/{}", name.trim_end_matches(".rs")),
        };
        for after in source::code_only(&file.text).split("#[cfg(test)]").skip(1) {
            let declaration = after.split(';').next().unwrap_or_default().split_whitespace();
            let words: Vec<&str> = declaration.filter(|word| !word.starts_with("pub")).collect();
            if let ["mod", module] = words.as_slice() {
                found.extend([format!("{owner}/{module}.rs"), format!("{owner}/{module}/")]);
            }
        }
    }
    found
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a workspace").to_owned()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The repository's files with one of these extensions, in order of their paths.
pub(crate) fn files(extensions: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut directories = vec![root()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("the repository can be read") {
            let path = entry.expect("the repository can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | ".git" | "corpus" | "artifacts") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
                let relative = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push(File { text: read(&relative), path: relative, is_test: false });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let tests = test_modules(&found);
    for file in &mut found {
        let in_package = file.path.starts_with("crates/") && file.path.split('/').nth(2) == Some("tests");
        file.is_test = in_package || tests.iter().any(|prefix| file.path.starts_with(prefix));
    }
    assert!(!found.is_empty(), "no files with extensions {extensions:?} below {}", root().display());
    found
}

/// Fails with one line per violation.
#[track_caller]
pub(crate) fn report(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations of the house style:\n{}\n", violations.len(), violations.join("\n"));
}

/// What a measure against a limit and the list of exceptions finds wrong, if anything.
fn ratchet(what: &str, measured: usize, limit: usize, exceptions: &[(&str, usize)]) -> Option<String> {
    match exceptions.iter().find(|(name, _)| *name == what) {
        Some((_, allowed)) if measured <= limit => {
            Some(format!("{what}: {measured} lines; take it off the list ({allowed})"))
        }
        Some((_, allowed)) if measured < *allowed => {
            Some(format!("{what}: {measured} lines; the list may shrink from {allowed}"))
        }
        Some((_, allowed)) if measured > *allowed => {
            Some(format!("{what}: {measured} lines; the list allows {allowed}"))
        }
        Some(_) => None,
        None => (measured > limit).then(|| format!("{what}: {measured} lines; the limit is {limit}")),
    }
}

/// Lines up to the last one that is not part of a test module.
fn lines_without_tests(text: &str) -> usize {
    let code = source::code_only(text);
    let kept = source::without_tests(&code);
    let test_lines =
        code.lines().zip(kept.lines()).filter(|(all, kept)| !all.trim().is_empty() && kept.trim().is_empty()).count();
    text.lines().count() - test_lines
}

#[test]
fn every_source_file_says_what_it_is() {
    // The module of a format opens with the format's own page.
    let openings = ["//! ", "#![doc = include_str!("];
    let speaks = |file: &File| openings.iter().any(|opening| file.text.starts_with(opening));
    let silent = files(&["rs"]).into_iter().filter(|file| !speaks(file));
    report(&silent.map(|file| format!("{}:1: a file opens with `//!`", file.path)).collect::<Vec<_>>());
}

#[test]
fn files_are_short() {
    let measured = files(&["rs"]).into_iter().filter(|file| !file.is_test);
    let long =
        measured.filter_map(|file| ratchet(&file.path, lines_without_tests(&file.text), FILE_LINES_MAX, LONG_FILES));
    report(&long.collect::<Vec<_>>());
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for file in files(&["rs"]) {
        let code = source::without_tests(&source::code_only(&file.text));
        let measured = source::functions(&code).into_iter();
        long.extend(measured.filter_map(|function| {
            let what = format!("{}: {}", file.path, function.name);
            let wrong = ratchet(&what, function.lines, FUNCTION_LINES_MAX, LONG_FUNCTIONS)?;
            Some(format!("{wrong} (at line {})", function.line))
        }));
    }
    report(&long);
}

#[test]
fn exceptions_name_what_is_there() {
    let sources = files(&["rs"]);
    let paths = LONG_FILES.iter().chain(LONG_FUNCTIONS).map(|(what, _)| what.split(": ").next().unwrap_or_default());
    let gone = paths.filter(|path| !sources.iter().any(|file| file.path == *path));
    report(&gone.map(|path| format!("tests/tidy.rs: {path} is not there any more")).collect::<Vec<_>>());
}

#[test]
fn unsafe_code_is_in_one_module() {
    let mut wrong = Vec::new();
    for file in files(&["rs"]) {
        let is_root = file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
        if file.path.starts_with(PEERS) {
            continue;
        }
        if is_root && !file.path.starts_with("crates/vfs/") && !file.text.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{}: a crate forbids unsafe code", file.path));
        }
        if !UNSAFE_MODULES.contains(&file.path.as_str()) {
            let lines = source::lines_with_word(&source::code_only(&file.text), "unsafe");
            wrong.extend(
                lines.into_iter().map(|line| format!("{}:{line}: unsafe belongs to {UNSAFE_MODULES:?}", file.path)),
            );
        }
    }
    report(&wrong);
}

#[test]
fn the_world_is_reached_through_the_seams() {
    let mut wrong = Vec::new();
    for file in files(&["rs"]).iter().filter(|file| file.is_library()) {
        let code = source::without_tests(&source::code_only(&file.text));
        for (way_out, modules) in SEAMS.iter().filter(|(_, modules)| !modules.contains(&file.path.as_str())) {
            let lines = source::lines_with_word(&code, way_out).into_iter();
            wrong.extend(lines.map(|line| format!("{}:{line}: {way_out} belongs to {modules:?}", file.path)));
        }
    }
    report(&wrong);
}

/// Where a word of a note to oneself, or a path of one machine, stands. The words are put together here so that this
/// file does not contain them.
fn unfinished(text: &str) -> Vec<(usize, String)> {
    let words =
        ["TO\u{200b}DO", "FIX\u{200b}ME", "XX\u{200b}X", "HA\u{200b}CK"].map(|word| word.replace('\u{200b}', ""));
    let phrases =
        ["for n|ow", "un|implemented!", "to|do!", "simplified ver|sion", "/wo|rk/", "/ro|ot/", "/ho|me/", "/t|mp/"]
            .map(|phrase| phrase.replace('|', ""));
    let mut found = Vec::new();
    for word in &words {
        found.extend(source::lines_with_word(text, word).into_iter().map(|line| (line, word.clone())));
    }
    for phrase in &phrases {
        let lines = text.lines().enumerate().filter(|(_, line)| line.to_lowercase().contains(phrase.as_str()));
        found.extend(lines.map(|(index, _)| (index + 1, phrase.clone())));
    }
    found
}

#[test]
fn nothing_is_left_unfinished() {
    let mut wrong = Vec::new();
    for file in files(&["rs", "md", "toml", "sql", "sh"]) {
        wrong.extend(unfinished(&file.text).into_iter().map(|(line, word)| format!("{}:{line}: {word}", file.path)));
    }
    report(&wrong);
}

#[test]
fn names_say_what_a_thing_is() {
    let vague = ["Manager", "Handler", "Helper", "Util", "Utils"];
    let mut wrong = Vec::new();
    for file in files(&["rs"]) {
        let code = source::code_only(&file.text);
        let words: Vec<&str> =
            code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
        let defined = words.windows(2).filter(|pair| matches!(pair[0], "struct" | "enum" | "trait" | "type"));
        let bad = defined.filter(|pair| vague.iter().any(|word| pair[1].ends_with(word)));
        wrong.extend(bad.map(|pair| format!("{}: {} says too little", file.path, pair[1])));
    }
    report(&wrong);
}

#[test]
fn a_violation_is_noticed() {
    assert!(ratchet("a", 601, 600, &[]).is_some());
    assert!(ratchet("a", 600, 600, &[]).is_none());
    assert!(ratchet("a", 650, 600, &[("a", 650)]).is_none());
    assert!(ratchet("a", 640, 600, &[("a", 650)]).is_some());
    assert!(ratchet("a", 651, 600, &[("a", 650)]).is_some());
    assert!(ratchet("a", 600, 600, &[("a", 650)]).is_some());
    let note = ["// TO", "DO: later\n", "// fine for n", "ow"].concat();
    assert_eq!(unfinished(&note).into_iter().map(|(line, _)| line).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(lines_without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n"), 1);
}
