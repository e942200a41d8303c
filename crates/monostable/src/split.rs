//! Where one statement ends and the next begins.
//!
//! A text of several statements is run one statement at a time, because a statement can only be planned when those before
//! it have run: the table that it names may not exist yet. This finds the semicolons that separate statements, which are
//! those outside of quotes, dollar quotes and comments. It understands no more SQL than that, and refuses nothing: what is
//! not SQL is for the parser to say.
//!
//! Cost: one pass, no allocation but the list.

/// The statements of a text, in order, without the semicolons and without those that are empty.
pub(crate) fn statements(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut scanner = Scanner { sql, at: 0 };
    let (mut start, mut empty) = (0, true);
    while let Some(piece) = scanner.next() {
        match piece {
            Piece::Semicolon => {
                if !empty {
                    statements.push(sql[start..scanner.at - 1].trim());
                }
                (start, empty) = (scanner.at, true);
            }
            Piece::Code => empty = false,
            Piece::Blank => {}
        }
    }
    if !empty {
        statements.push(sql[start..].trim());
    }
    statements
}

enum Piece {
    Semicolon,
    /// White space or a comment.
    Blank,
    Code,
}

struct Scanner<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<Piece> {
        let rest = &self.sql[self.at..];
        let first = rest.chars().next()?;
        let (len, piece) = match first {
            ';' => (1, Piece::Semicolon),
            '\'' => (quoted(rest, '\'', self.escapes()), Piece::Code),
            '"' => (quoted(rest, '"', false), Piece::Code),
            '$' if !self.follows_word() => (dollar_quoted(rest), Piece::Code),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), Piece::Blank),
            '/' if rest.starts_with("/*") => (comment(rest), Piece::Blank),
            _ if first.is_whitespace() => (first.len_utf8(), Piece::Blank),
            _ => (first.len_utf8(), Piece::Code),
        };
        self.at += len;
        Some(piece)
    }

    /// Whether the quote that comes next is that of an escape string, `E'...'`.
    fn escapes(&self) -> bool {
        let before = &self.sql.as_bytes()[..self.at];
        let [rest @ .., b'e' | b'E'] = before else { return false };
        !rest.last().is_some_and(|byte| is_word(*byte))
    }

    fn follows_word(&self) -> bool {
        self.sql[..self.at].bytes().next_back().is_some_and(is_word)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The length of a quoted piece. A doubled quote needs no care: it ends one piece and begins the next.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, next)) = chars.next() {
        if escapes && next == '\\' {
            chars.next();
        } else if next == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of `$tag$ ... $tag$`, or of a lone dollar sign.
fn dollar_quoted(text: &str) -> usize {
    let Some(end) = text[1..].find('$').map(|at| at + 2) else { return 1 };
    let tag = &text[..end];
    let name = &tag[1..tag.len() - 1];
    if !name.bytes().all(is_word) || name.starts_with(|first: char| first.is_ascii_digit()) {
        return 1;
    }
    text[end..].find(tag).map_or(text.len(), |at| end + at + end)
}

/// The length of a comment; comments nest.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::statements;

    #[test]
    fn semicolons_separate_only_where_they_are_sql() {
        assert_eq!(statements("a; b ;; c"), ["a", "b", "c"]);
        assert_eq!(statements("select ';' ; x"), ["select ';'", "x"]);
        assert_eq!(statements("'it''s; one' ; two"), ["'it''s; one'", "two"]);
        assert_eq!(statements("E'a\\';b'; c"), ["E'a\\';b'", "c"]);
        assert_eq!(statements("'a\\'; c"), ["'a\\'", "c"]);
        assert_eq!(statements("\"odd;name\"; c"), ["\"odd;name\"", "c"]);
        assert_eq!(statements("$$a;b$$; $x$c;$$;$x$; $1; e"), ["$$a;b$$", "$x$c;$$;$x$", "$1", "e"]);
        assert_eq!(statements("a -- b; c\n; d"), ["a -- b; c", "d"]);
        assert_eq!(statements("a /* ; /* ; */ ; */ b; c"), ["a /* ; /* ; */ ; */ b", "c"]);
        assert_eq!(statements("-- only this;"), Vec::<&str>::new());
        assert_eq!(statements("/* open ;"), Vec::<&str>::new());
        assert_eq!(statements("'open ;"), ["'open ;"]);
        assert_eq!(statements("größe; ü"), ["größe", "ü"]);
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_a_panic(sql in "[a-zé;'\"$/*\\-\\\\\n ]{0,40}") {
            let parts = statements(&sql);
            prop_assert!(parts.iter().all(|part| !part.is_empty() && sql.contains(part)));
        }
    }
}
