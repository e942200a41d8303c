//! Lines for the person in front of the command.

use std::fmt::Arguments;
use std::io::Write;

use crate::failure::Result;

/// Writes one line to standard output at once.
pub(crate) fn line(text: Arguments<'_>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Says one line: `say!("{count} rows")?`.
macro_rules! say {
    ($($text:tt)*) => { $crate::console::line(format_args!($($text)*)) };
}
pub(crate) use say;
