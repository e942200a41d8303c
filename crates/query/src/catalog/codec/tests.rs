//! The catalog's bytes: the worked example, round trips, and every truncation and flipped byte.

use monostable_view::Graph;

use super::*;
use crate::catalog::{Relation, restore};
use crate::ddl::DdlPlan;
use crate::planner::Planner;

fn shop() -> (Planner, Catalog, Graph) {
    let planner = Planner::new();
    let (mut catalog, mut graph) = (Catalog::new(), Graph::new());
    for sql in [
        "CREATE TABLE gone (id bigint)",
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer varchar(20) NOT NULL DEFAULT 'ann', cents integer, UNIQUE (customer, cents))",
        "CREATE TABLE bag (a numeric(10,2) DEFAULT 1.5, b interval)",
        "CREATE MATERIALIZED VIEW z AS SELECT customer, sum(cents) AS total FROM orders GROUP BY customer",
        "CREATE MATERIALIZED VIEW a (c, n) AS SELECT o.customer, z.total FROM orders o JOIN z ON z.customer = o.customer",
        "CREATE MATERIALIZED VIEW best AS SELECT customer, total FROM z ORDER BY total DESC FETCH FIRST 3 ROWS ONLY",
        "CREATE INDEX by_total ON z (total)",
        "DROP TABLE gone",
    ] {
        let statement = planner.parse(sql).unwrap().remove(0);
        let outcome = DdlPlan::new(&statement).unwrap().unwrap().apply(&planner, &catalog, &graph).unwrap();
        (catalog, graph) = (outcome.catalog, outcome.graph);
    }
    (planner, catalog, graph)
}

#[test]
fn what_was_written_is_planned_again_to_the_same_operators() {
    let (planner, catalog, graph) = shop();
    let bytes = catalog.encode(&graph).unwrap();
    let restored = restore(&planner, &bytes, &Graph::new()).unwrap();
    assert_eq!(restored.mismatches, []);
    assert_eq!(
        (restored.catalog.version(), restored.catalog.next_table_id()),
        (catalog.version(), catalog.next_table_id())
    );
    assert_eq!(restored.catalog.encode(&restored.graph).unwrap(), bytes);
    for (old, new) in catalog.relations().zip(restored.catalog.relations()) {
        assert_eq!((old.name(), old.schema(), old.key()), (new.name(), new.schema(), new.key()));
        assert_eq!(graph.identity(old.node()), restored.graph.identity(new.node()));
        if let (Relation::Table(old), Relation::Table(new)) = (old, new) {
            assert_eq!((&old.defaults, &old.characters_max, old.id), (&new.defaults, &new.characters_max, new.id));
        }
    }
}

#[test]
fn a_view_with_other_operators_is_reported() {
    let (planner, catalog, graph) = shop();
    let mut bytes = catalog.encode(&graph).unwrap();
    let at = bytes.windows(3).position(|window| window == b"sum").unwrap();
    bytes[at..at + 3].copy_from_slice(b"min");
    let restored = restore(&planner, &bytes, &Graph::new()).unwrap();
    let views: Vec<&str> = restored.mismatches.iter().map(|mismatch| mismatch.view.as_str()).collect();
    assert_eq!(views, ["z", "a", "best"], "the view and those above it");
}

/// No bytes make the reader panic, and a damaged catalog is never silently a smaller one.
#[test]
fn damaged_bytes_are_errors() {
    let (planner, catalog, graph) = shop();
    let bytes = catalog.encode(&graph).unwrap();
    for len in 0..bytes.len() {
        assert!(matches!(decode(&bytes[..len]), Err(Error::Corruption(_))), "cut to {len} bytes");
    }
    let whole = decode(&bytes).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        assert!(decode(&damaged).map_or(true, |stored| stored != whole), "byte {at}");
        // Whatever it now says, it is refused or planned; planning takes a while, so only some are tried.
        if at % 11 == 0 {
            let _ = restore(&planner, &damaged, &Graph::new());
        }
    }
}

/// The worked example of FORMAT.md.
#[test]
fn the_worked_example_decodes() {
    let format = include_str!("../../../FORMAT.md");
    let hex: String = format
        .lines()
        .skip_while(|line| *line != "```hex")
        .skip(1)
        .take_while(|line| *line != "```")
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .collect();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let stored = decode(&bytes).unwrap();
    assert_eq!((stored.version, stored.next_table, stored.views.len(), stored.indexes.len()), (1, 1, 0, 0));
    let table = &stored.tables[0];
    assert_eq!((table.name.as_str(), table.primary_key.clone()), ("t", Some(vec![0])));
    assert_eq!(table.columns, [Column::new("id", DataType::BigInt).not_null()]);
    let planner = Planner::new();
    let restored = restore(&planner, &bytes, &Graph::new()).unwrap();
    assert_eq!(restored.catalog.encode(&restored.graph).unwrap(), bytes);
}
