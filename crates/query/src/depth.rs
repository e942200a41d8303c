//! Depth: how deeply a statement may nest, and a stack that is large enough for it.
//!
//! Copying, comparing and dropping a parsed expression recurses once per level in code that is not ours, so a statement that is
//! too deep would end the process. Chains of operators nest to the left (`1 + 1 + 1` has depth 2), which no parser's limit
//! sees. The depth is therefore bounded from the tokens, before anything is built, and planning runs on a stack of its own.
//!
//! Cost: one pass over the tokens; a stack is mapped for a statement that is not in the plan cache.

use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Result};

/// Levels of parentheses and operators, added up.
const DEPTH_MAX: usize = 1_000;
/// Enough for `DEPTH_MAX` levels of planning without optimisation.
const STACK_BYTES: usize = 96 << 20;
/// What must be left of the stack for a nested call to go on with it.
const STACK_BYTES_LEFT_MIN: usize = 64 << 20;
/// Evaluating so many levels fits any thread.
const EVALUATION_DEPTH_SMALL: usize = 32;
/// Stack for evaluating one level, without optimisation.
const EVALUATION_BYTES_PER_LEVEL: usize = 16 << 10;

/// Runs `f` with enough stack for any accepted statement.
pub(crate) fn with_stack<T>(f: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_BYTES_LEFT_MIN, STACK_BYTES, f)
}

/// Runs `f`, which evaluates an expression of so many levels, with enough stack for them.
pub(crate) fn with_stack_for<T>(levels: usize, f: impl FnOnce() -> T) -> T {
    if levels <= EVALUATION_DEPTH_SMALL {
        return f();
    }
    let bytes = levels * EVALUATION_BYTES_PER_LEVEL;
    stacker::maybe_grow(bytes, bytes + (1 << 20), f)
}

/// What one level of parentheses holds so far.
#[derive(Default, Clone, Copy)]
struct Level {
    /// Operators since the last comma.
    operators: usize,
    /// UNION and the like, which commas do not end.
    sets: usize,
}

/// Refuses statements that could nest too deeply (54001).
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    let mut depth: usize = 0;
    for token in tokens {
        let Some(top) = levels.last_mut() else { return Ok(()) };
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                levels.push(Level::default());
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(top.operators + top.sets + 1);
                levels.pop();
                if levels.is_empty() {
                    // More are closed than were opened, which the parser will say.
                    return Ok(());
                }
            }
            Token::Comma => {
                depth -= top.operators;
                top.operators = 0;
            }
            Token::SemiColon => {
                depth -= top.operators + top.sets;
                *top = Level::default();
            }
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    depth += 1;
                    top.sets += 1;
                }
                Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::CASE
                | Keyword::LIKE
                | Keyword::IN => {
                    depth += 1;
                    top.operators += 1;
                }
                _ => {}
            },
            Token::Whitespace(_)
            | Token::EOF
            | Token::Period
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::Placeholder(_) => {}
            _ => {
                depth += 1;
                top.operators += 1;
            }
        }
        if depth > DEPTH_MAX {
            return Err(Error::TooComplex(format!(
                "expressions nest more than {DEPTH_MAX} deep; use IN or VALUES for lists"
            )));
        }
    }
    Ok(())
}
