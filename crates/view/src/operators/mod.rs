//! The operators: what a node of the graph computes. A closed enum; each operator has one file with its delta rule.
//!
//! Three kinds. *Linear* operators ([`Map`], `Union`, `Negate`) keep nothing: the change of their output is the operator
//! applied to the change of their input, chunk by chunk. *Stateful* ones ([`Arrange`](Layout), [`Aggregate`]) own a spine in
//! the `Version` and wait until all of a step's changes have arrived. *Readers* (`Distinct`, [`Join`], [`TopK`]) keep nothing
//! themselves and read the spines of the `Arrange` nodes below them.
//!
//! Operators own no state and never see the graph: they are given deltas, batches and spines, and hand out deltas.

pub mod aggregate;
pub mod distinct;
pub mod join;
pub mod map;
pub mod top_k;

use std::fmt;

use monostable_types::{Order, Rows, Weight};

use crate::delta::Delta;
use crate::graph::TableId;
use crate::identity;
use crate::layout::{Layout, RowType};

pub use aggregate::{Aggregate, AggregateCall, AggregateFunction};
pub use join::Join;
pub use map::Map;
pub use top_k::TopK;

/// What a node computes from its inputs.
#[derive(Debug)]
#[non_exhaustive]
pub enum Operator {
    /// The rows of a table. No inputs: a step is given its changes.
    Source {
        /// The table.
        table: TableId,
    },
    /// Constant rows. No inputs, and no changes after it was built.
    Values {
        /// The rows, consolidated.
        rows: Delta,
    },
    /// Filter, then project.
    Map(Map),
    /// The sum of the inputs: `UNION ALL`.
    Union,
    /// The input with its weights negated.
    Negate,
    /// Integrates the input into a spine, sorted by a key.
    Arrange(Layout),
    /// Each row of the arranged input once, if its weight is positive.
    Distinct,
    /// Pairs of rows of two arrangements with equal keys.
    Join(Join),
    /// One row per group.
    Aggregate(Aggregate),
    /// The rows of an arrangement between two positions of its order.
    TopK(TopK),
}

impl Operator {
    /// Appends the canonical encoding of the operator and of the type of its result; its inputs are not part of it.
    pub(crate) fn encode(&self, row: &RowType, out: &mut Vec<u8>) {
        match self {
            Operator::Source { table } => {
                out.push(1);
                identity::put_number(out, table.0.into());
            }
            Operator::Values { rows } => {
                out.push(2);
                identity::put_number(out, rows.len() as u64);
                // Debug output of consolidated rows is not needed: their encoding is canonical.
                encode_rows(rows, out);
            }
            Operator::Map(map) => {
                out.push(3);
                map.encode(out);
            }
            Operator::Union => out.push(4),
            Operator::Negate => out.push(5),
            Operator::Arrange(layout) => encode_layout(layout, out),
            Operator::Distinct => out.push(7),
            Operator::Join(join) => {
                out.push(8);
                join.encode(out);
            }
            Operator::Aggregate(aggregate) => {
                // 9 was an aggregate whose entries did not begin with its rows.
                out.push(10);
                aggregate.encode(out);
            }
            Operator::TopK(top_k) => {
                out.push(10);
                top_k.encode(out);
            }
        }
        identity::put_number(out, row.len() as u64);
        row.types().iter().for_each(|&data_type| identity::put_type(out, data_type));
    }

    /// Whether the operator owns a spine.
    pub(crate) fn is_stateful(&self) -> bool {
        matches!(self, Operator::Arrange(_) | Operator::Aggregate(_))
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operator::Source { table } => write!(f, "source {}", table.0),
            Operator::Values { rows } => write!(f, "values ({} rows)", rows.len()),
            Operator::Map(map) => map.fmt(f),
            Operator::Union => f.write_str("union"),
            Operator::Negate => f.write_str("negate"),
            Operator::Arrange(layout) if layout.is_ascending() => write!(f, "arrange by {:?}", layout.key()),
            Operator::Arrange(layout) => {
                let key: Vec<String> = layout.directions().iter().map(describe_direction).collect();
                write!(f, "arrange by [{}]", key.join(", "))
            }
            Operator::Distinct => f.write_str("distinct"),
            Operator::Join(join) => join.fmt(f),
            Operator::Aggregate(aggregate) => aggregate.fmt(f),
            Operator::TopK(top_k) => top_k.fmt(f),
        }
    }
}

/// An arrangement whose key ascends is encoded without directions, so that it is one with all that need that order.
fn encode_layout(layout: &Layout, out: &mut Vec<u8>) {
    let ascending = layout.is_ascending();
    out.push(if ascending { 6 } else { 11 });
    identity::put_number(out, layout.key().len() as u64);
    for &(column, order) in layout.directions() {
        identity::put_number(out, column as u64);
        if !ascending {
            out.push(u8::from(order.descending) | u8::from(order.nulls_first) << 1);
        }
    }
}

/// A column of a key as in ORDER BY; NULLs are mentioned where PostgreSQL would not put them by itself.
fn describe_direction(&(column, order): &(usize, Order)) -> String {
    let nulls = match (order.descending, order.nulls_first) {
        (false, true) => " nulls first",
        (true, false) => " nulls last",
        _ => "",
    };
    format!("{column}{}{nulls}", if order.descending { " desc" } else { "" })
}

/// Rows of a constant as bytes: their encodings and their weights.
fn encode_rows(rows: &Delta, out: &mut Vec<u8>) {
    // The builder consolidated these rows, so that they are there in encoded form.
    let entries = rows.rows().map_or_else(|_| Rows::default(), Rows::clone);
    debug_assert_eq!(entries.len(), rows.len());
    for (entry, &Weight(weight)) in entries.iter().zip(rows.weights().iter()) {
        identity::put_bytes(out, entry);
        out.extend_from_slice(&weight.to_le_bytes());
    }
}
