//! Any text is a plan or an error, whatever it nests, names or divides.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use monostable_fuzz::shop::Shop;
use monostable_query::Prepared;

static SHOP: LazyLock<Shop> = LazyLock::new(Shop::new);

fuzz_target!(|text: &str| {
    let shop = &*SHOP;
    if let Ok(prepared) = shop.planner.prepare(text, &shop.catalog, &shop.graph) {
        if let Prepared::Ddl(plan) = &*prepared {
            let _ = plan.apply(&shop.planner, &shop.catalog, &shop.graph);
        }
    }
});
