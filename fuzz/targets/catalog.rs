//! Any bytes in the place of a stored catalog are a catalog or an error. One that is accepted can be stored again.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use monostable_fuzz::shop::Shop;
use monostable_fuzz::{Damage, Files};
use monostable_query::catalog::restore;
use monostable_view::Graph;

static STORED: LazyLock<(Shop, Files)> = LazyLock::new(|| {
    let shop = Shop::new();
    let bytes = shop.catalog.encode(&shop.graph).expect("a small catalog");
    (shop, Files::from([("catalog".to_owned(), bytes)]))
});

fuzz_target!(|input: &[u8]| {
    let Some(damage) = Damage::parse(input) else { return };
    let (shop, sound) = &*STORED;
    let damaged = damage.apply(sound, |_| true);
    if let Ok(restored) = restore(&shop.planner, &damaged["catalog"], &Graph::new()) {
        restored.catalog.encode(&restored.graph).expect("what was restored can be stored");
    }
});
