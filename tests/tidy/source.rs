//! A small lexer for Rust, enough to measure house style: it blanks comments and literals, so that what is left is code.
//!
//! It does not parse. It knows nothing of macros, and takes a function for what stands between `fn name` and the brace
//! that closes its body. Line numbers are kept: every blanked character but a newline becomes a space.
//! Cost: one pass over the text. Only the tidy test uses it.

/// A function with its body, as found in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The text with comments and the contents of literals replaced by spaces.
pub(crate) fn code_only(text: &str) -> String {
    let mut lexer = Lexer { rest: text, out: String::with_capacity(text.len()) };
    while !lexer.rest.is_empty() {
        lexer.token();
    }
    lexer.out
}

struct Lexer<'a> {
    rest: &'a str,
    out: String,
}

impl Lexer<'_> {
    fn token(&mut self) {
        let previous_is_word = self.out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if self.rest.starts_with("//") {
            self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment_len(self.rest));
        } else if let Some(len) = (!previous_is_word).then(|| raw_string_len(self.rest)).flatten() {
            self.blank(len);
        } else if self.rest.starts_with('"') {
            self.blank(quoted_len(self.rest));
        } else if let Some(len) = char_literal_len(self.rest) {
            self.blank(len);
        } else {
            let first = self.rest.chars().next().expect("not empty");
            self.out.push(first);
            self.rest = &self.rest[first.len_utf8()..];
        }
    }

    fn blank(&mut self, len: usize) {
        let (blanked, rest) = self.rest.split_at(len);
        self.out.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// Block comments nest in Rust.
fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `r".."`, `r#".."#`, `br".."`, `cr".."`: none of them has escapes.
fn raw_string_len(text: &str) -> Option<usize> {
    let after_prefix = ["r", "br", "cr"].iter().find_map(|prefix| text.strip_prefix(prefix))?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let body_len = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(text.len() - body.len() + body_len)
}

fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal, and not a lifetime: `'a'` and `'\n'`, but not `'a`.
fn char_literal_len(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let first = body.chars().next()?;
    if first == '\\' {
        let close = body.get(2..)?.find('\'')?;
        return Some(1 + 2 + close + 1);
    }
    let close = 1 + first.len_utf8();
    text[close..].starts_with('\'').then_some(close + 1)
}

/// The code (as given by [`code_only`]) with modules under `#[cfg(test)]` blanked.
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let after = &out[start..];
        let brace = after.find('{').unwrap_or(after.len());
        let semicolon = after.find(';').unwrap_or(after.len());
        let len = if brace < semicolon { brace + block_len(&after[brace..]) } else { (semicolon + 1).min(after.len()) };
        let blanked: String = out[start..start + len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..start + len, &blanked);
    }
    out
}

/// The length of the text from an opening brace to the one that closes it.
fn block_len(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Every function that has a body. `code` is the result of [`code_only`].
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word = code[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        let after = &code[at + 3..];
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !starts_word || name.is_empty() {
            continue;
        }
        let Some(open) = body_start(after) else { continue };
        let end = at + 3 + open + block_len(&after[open..]);
        let line = 1 + code[..at].matches('\n').count();
        found.push(Function { name, line, lines: 1 + code[at..end].matches('\n').count() });
    }
    found
}

/// Where the body opens; `None` for a declaration that ends in a semicolon. An array type in the signature has a
/// semicolon too, so brackets are counted.
fn body_start(signature: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Line numbers, counted from 1, on which `needle` stands as a whole word (or path) in `code`.
pub(crate) fn lines_with_word(code: &str, needle: &str) -> Vec<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let hits = code.match_indices(needle).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        let after = code[at + needle.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    hits.map(|(at, _)| 1 + code[..at].matches('\n').count()).collect()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "let a = \"fn x() { \\\" }\"; // unsafe\nlet b = r#\"unsafe \" { \"#; /* a /* b */ unsafe */ let c = '{';\nlet d: &'a u8 = b\"}\";";
    let code = code_only(text);
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    assert_eq!(lines_with_word(&code, "unsafe"), Vec::<usize>::new());
    assert!(!code.contains('{') && !code.contains('}'), "{code}");
    assert!(code.contains("&'a u8"), "{code}");
}

#[test]
fn functions_are_measured_by_their_body() {
    let code = code_only(
        "fn one() {}\ntrait T { fn declared(&self, a: [u8; 2]); }\nimpl T for S {\n  fn two(&self) {\n    {\n    }\n  }\n}\n",
    );
    let one = Function { name: "one".into(), line: 1, lines: 1 };
    let two = Function { name: "two".into(), line: 4, lines: 4 };
    assert_eq!(functions(&code), [one, two]);
}

#[test]
fn test_modules_are_left_out() {
    let code = code_only(
        "fn kept() {}\n#[cfg(test)]\nmod tests {\n  fn gone() { unsafe {} }\n}\n#[cfg(test)]\nmod more;\nfn also() {}\n",
    );
    let names: Vec<String> = functions(&without_tests(&code)).into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["kept", "also"]);
}
