//! Statements out of a stream of text: where one ends and the next begins.
//!
//! A statement ends at a semicolon that is not inside a quoted string, a quoted name, a dollar-quoted string or a
//! comment. The text of a statement is not looked at otherwise: what is wrong with it, the engine says. Comments alone
//! are no statement.
//!
//! Text comes in whole lines, so that no token is cut in two. Each character is looked at once, however many lines a
//! statement has.

/// Cuts text into statements.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    text: String,
    /// Everything before this is scanned and belongs to the statement that is open.
    scanned: usize,
    state: State,
    has_code: bool,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum State {
    #[default]
    Code,
    /// `'..'`, or `E'..'` where a backslash takes the next character with it.
    Text {
        escapes: bool,
    },
    /// `".."`
    Name,
    LineComment,
    /// Block comments nest.
    BlockComment {
        depth: usize,
    },
    /// `$tag$..$tag$`, with the delimiter.
    Dollar(String),
}

impl Splitter {
    /// Takes more text: whole lines, or the last line of the input.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next complete statement, without its semicolon.
    pub(crate) fn next_statement(&mut self) -> Option<String> {
        while let Some(c) = self.text[self.scanned..].chars().next() {
            if self.state == State::Code && c == ';' {
                let rest = self.text.split_off(self.scanned + 1);
                let ended = std::mem::replace(&mut self.text, rest);
                self.scanned = 0;
                if std::mem::take(&mut self.has_code) {
                    return Some(ended.trim_end_matches(';').trim().to_owned());
                }
            } else {
                self.scanned += self.token(c);
            }
        }
        None
    }

    /// What is left at the end of the input, if it is more than blanks and comments.
    pub(crate) fn finish(self) -> Option<String> {
        self.has_code.then(|| self.text.trim().to_owned())
    }

    /// Whether a statement has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.has_code || !matches!(self.state, State::Code | State::LineComment)
    }

    /// Goes over the token that starts with `c` and gives its length in bytes.
    fn token(&mut self, c: char) -> usize {
        let before = &self.text[..self.scanned];
        let rest = &self.text[self.scanned..];
        let (len, next) = match &self.state {
            State::Code => code_token(before, rest, c),
            state => (len_inside(state, rest, c), state_after(state, rest, c)),
        };
        self.has_code |= !c.is_whitespace()
            && !matches!(next, State::LineComment | State::BlockComment { .. })
            && self.state == State::Code;
        self.state = next;
        len
    }
}

/// A token outside quotes and comments: its length, and what comes after it.
fn code_token(before: &str, rest: &str, c: char) -> (usize, State) {
    match c {
        '\'' => (1, State::Text { escapes: opens_escape_text(before) }),
        '"' => (1, State::Name),
        '-' if rest.starts_with("--") => (2, State::LineComment),
        '/' if rest.starts_with("/*") => (2, State::BlockComment { depth: 1 }),
        '$' if !before.ends_with(is_word) => match dollar_delimiter(rest) {
            Some(delimiter) => (delimiter.len(), State::Dollar(delimiter.to_owned())),
            None => (1, State::Code),
        },
        _ => (c.len_utf8(), State::Code),
    }
}

/// How far one token inside a quote or a comment goes.
fn len_inside(state: &State, rest: &str, c: char) -> usize {
    match state {
        State::Text { escapes: true } if c == '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        State::Text { .. } if rest.starts_with("''") => 2,
        State::BlockComment { .. } if rest.starts_with("/*") || rest.starts_with("*/") => 2,
        State::Dollar(delimiter) if rest.starts_with(delimiter.as_str()) => delimiter.len(),
        _ => c.len_utf8(),
    }
}

/// The state after that token. A doubled double quote closes and opens again, which comes to the same; a doubled single
/// quote does not, because what it opens would no longer be an `E'..'`.
fn state_after(state: &State, rest: &str, c: char) -> State {
    match state {
        State::Text { .. } if c == '\'' && !rest.starts_with("''") => State::Code,
        State::Name if c == '"' => State::Code,
        State::LineComment if c == '\n' => State::Code,
        State::BlockComment { depth } if rest.starts_with("/*") => State::BlockComment { depth: depth + 1 },
        State::BlockComment { depth: 1 } if rest.starts_with("*/") => State::Code,
        State::BlockComment { depth } if rest.starts_with("*/") => State::BlockComment { depth: depth - 1 },
        State::Dollar(delimiter) if rest.starts_with(delimiter.as_str()) => State::Code,
        _ => state.clone(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Whether the quote that comes next is that of an `E'..'`: an E that is a word of its own.
fn opens_escape_text(before: &str) -> bool {
    let Some(word) = before.strip_suffix(['e', 'E']) else { return false };
    !word.ends_with(is_word)
}

/// `$$` or `$tag$` at the start of the text.
fn dollar_delimiter(rest: &str) -> Option<&str> {
    let tag_len = rest[1..].find('$')?;
    let tag = &rest[1..1 + tag_len];
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..tag_len + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(lines: &[&str]) -> (Vec<String>, Option<String>) {
        let mut splitter = Splitter::default();
        let mut found = Vec::new();
        for line in lines {
            splitter.push(line);
            found.extend(std::iter::from_fn(|| splitter.next_statement()));
        }
        (found, splitter.finish())
    }

    fn complete(text: &str) -> Vec<String> {
        let (found, rest) = split(&[text]);
        assert_eq!(rest, None, "{text}");
        // However the lines come in, the statements are the same.
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert_eq!(split(&lines).0, found, "{text}");
        found
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        assert_eq!(complete("SELECT 1; SELECT 2 ;"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(complete("SELECT\n 1\n;\n"), ["SELECT\n 1"]);
        assert_eq!(complete(" ;; ; "), [""; 0]);
    }

    #[test]
    fn a_semicolon_in_quotes_does_not() {
        assert_eq!(complete("SELECT 'a;b', 'it''s;', \"x;y\"\"z;\";"), ["SELECT 'a;b', 'it''s;', \"x;y\"\"z;\""]);
        assert_eq!(complete("SELECT 'a\\'; SELECT 2;"), ["SELECT 'a\\'", "SELECT 2"]);
        assert_eq!(complete("SELECT E'a\\'; ', 1; SELECT 2;"), ["SELECT E'a\\'; ', 1", "SELECT 2"]);
        assert_eq!(
            complete("SELECT e'\\\\'; SELECT type'a\\'; SELECT 3;"),
            ["SELECT e'\\\\'", "SELECT type'a\\'", "SELECT 3"]
        );
        assert_eq!(complete("SELECT E'it''s\\'; ', 1;"), ["SELECT E'it''s\\'; ', 1"]);
        assert_eq!(complete("SELECT 'a\n;\nb';"), ["SELECT 'a\n;\nb'"]);
    }

    #[test]
    fn dollar_quotes_are_quotes() {
        assert_eq!(complete("SELECT $$a;'b$$; SELECT $x$ $$; $y$ $x$;"), ["SELECT $$a;'b$$", "SELECT $x$ $$; $y$ $x$"]);
        assert_eq!(complete("SELECT $1; SELECT $2 + $1;"), ["SELECT $1", "SELECT $2 + $1"]);
        assert_eq!(complete("SELECT a$b$c; SELECT 2;"), ["SELECT a$b$c", "SELECT 2"]);
    }

    #[test]
    fn comments_are_skipped_but_kept_in_the_text() {
        assert_eq!(
            complete("-- only; a comment\nSELECT 1 -- a; b\n+ 1;"),
            ["-- only; a comment\nSELECT 1 -- a; b\n+ 1"]
        );
        assert_eq!(complete("/* a; /* b; */ c; */ SELECT 1;"), ["/* a; /* b; */ c; */ SELECT 1"]);
        assert_eq!(complete("-- nothing\n/* at all */ ;"), [""; 0]);
        assert_eq!(complete("SELECT 1 - -1; SELECT 4 / 2;"), ["SELECT 1 - -1", "SELECT 4 / 2"]);
    }

    #[test]
    fn what_is_left_is_given_at_the_end() {
        assert_eq!(split(&["SELECT 1; SELECT 2"]), (vec!["SELECT 1".to_owned()], Some("SELECT 2".to_owned())));
        assert_eq!(split(&["SELECT 'open;\n", "still; open"]).1, Some("SELECT 'open;\nstill; open".to_owned()));
        assert_eq!(split(&["SELECT 1; -- done"]).1, None);
    }

    #[test]
    fn it_is_known_whether_a_statement_is_open() {
        let mut splitter = Splitter::default();
        splitter.push("SELECT 1; -- a\n");
        assert_eq!(splitter.next_statement().as_deref(), Some("SELECT 1"));
        assert_eq!(splitter.next_statement(), None);
        assert!(!splitter.is_open());
        splitter.push("/* b\n");
        assert_eq!(splitter.next_statement(), None);
        assert!(splitter.is_open());
        splitter.push("*/ SELECT\n");
        assert_eq!(splitter.next_statement(), None);
        assert!(splitter.is_open());
    }
}
