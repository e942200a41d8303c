//! Plays the shop's story on complete views, and shows the last pages.

use std::path::Path;

use monostable_examples::views::Views;
use monostable_examples::{Result, story};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let shop = Views::open(&directory.path().join(Path::new("shop")))?;
    let shown = story::play(&shop)?;
    for page in shown.lines().rev().take(5) {
        println!("{page}");
    }
    Ok(())
}
