//! Plays the shop's story on a cache in front of SQLite, and shows the last pages.

use std::path::Path;

use monostable_examples::cache_aside::CacheAside;
use monostable_examples::{Result, story};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let shop = CacheAside::open(&directory.path().join(Path::new("shop.sqlite")))?;
    let shown = story::play(&shop)?;
    for page in shown.lines().rev().take(5) {
        println!("{page}");
    }
    Ok(())
}
