//! Both shops show the same, whatever is lost on the way, and the README counts their lines rightly.

use std::fs;
use std::path::Path;

use monostable_examples::cache_aside::CacheAside;
use monostable_examples::views::Views;
use monostable_examples::{Line, Result, Shop, story};

/// All pages, as text.
fn pages(shop: &dyn Shop) -> Result<String> {
    let mut shown = String::new();
    for customer in 0..=21 {
        story::show(shop, customer, &mut shown)?;
    }
    Ok(shown)
}

#[test]
fn both_shops_show_the_same_pages() {
    let directory = tempfile::tempdir().unwrap();
    let cached = CacheAside::open(&directory.path().join("shop.sqlite")).unwrap();
    let views = Views::open(&directory.path().join("shop")).unwrap();
    let (with_cache, with_views) = (story::play(&cached).unwrap(), story::play(&views).unwrap());
    assert_eq!(with_cache.lines().count(), 1 + 2 * 300 + 20);
    for (number, (a, b)) in with_cache.lines().zip(with_views.lines()).enumerate() {
        assert_eq!(a, b, "line {number}");
    }
    assert_eq!(with_cache, with_views);
}

#[test]
fn nothing_shown_depends_on_what_was_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.sqlite");
    let cached = CacheAside::open(&file).unwrap();
    story::play(&cached).unwrap();
    let before = pages(&cached).unwrap();
    cached.flush();
    assert_eq!(pages(&cached).unwrap(), before);

    let shop = directory.path().join("shop");
    let views = Views::open(&shop).unwrap();
    story::play(&views).unwrap();
    assert_eq!(pages(&views).unwrap(), before);
    drop(views);
    assert_eq!(pages(&Views::open(&shop).unwrap()).unwrap(), before);
}

/// Readers and a writer at once: once a write has been acknowledged, no reader may see less, and the last page is right.
#[test]
fn an_acknowledged_order_is_on_the_next_page() {
    let directory = tempfile::tempdir().unwrap();
    let cached = CacheAside::open(&directory.path().join("shop.sqlite")).unwrap();
    let views = Views::open(&directory.path().join("shop")).unwrap();
    let shops: [&(dyn Shop + Sync); 2] = [&cached, &views];
    for shop in shops {
        shop.add_customer(1, "ann").unwrap();
        shop.add_product(1, "tea").unwrap();
        let acknowledged = std::sync::atomic::AtomicI64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while acknowledged.load(std::sync::atomic::Ordering::SeqCst) < 50 {
                        let least = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
                        let page = shop.page(1).unwrap().unwrap();
                        assert!(page.orders >= least, "{} orders shown, {least} acknowledged before", page.orders);
                    }
                });
            }
            for id in 1..=50 {
                shop.order(id, 1, &[Line { product: 1, cents: 100 }]).unwrap();
                acknowledged.store(id, std::sync::atomic::Ordering::SeqCst);
            }
        });
        let page = shop.page(1).unwrap().unwrap();
        assert_eq!((page.orders, page.cents), (50, 5_000));
    }
}

#[test]
fn the_readme_counts_lines_rightly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    for file in ["cache_aside.rs", "views.rs"] {
        let source = fs::read_to_string(root.join("src").join(file)).unwrap();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let stated = format!("| `src/{file}` | {} |", source.lines().filter(is_code).count());
        assert!(readme.contains(&stated), "README.md should say {stated}");
    }
}
