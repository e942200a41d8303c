//! What the command says when it cannot go on: one message, and where there is one, the next thing to do.
//!
//! The library's errors already say what to do; here only what the library cannot know is added, such as which
//! subcommand would help. A failure ends the command with exit status 1.

use std::fmt;

/// The result of everything in this command that can fail.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why the command ends.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A message for the user.
    Message(String),
    /// The reader of our output has gone away, so there is nobody to tell.
    OutputClosed,
}

impl Failure {
    pub(crate) fn message(text: impl Into<String>) -> Failure {
        Failure::Message(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Message(text) => f.write_str(text),
            Failure::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Message(error.to_string()),
        }
    }
}

impl From<monostable::Error> for Failure {
    fn from(error: monostable::Error) -> Failure {
        Failure::Message(error.to_string())
    }
}
