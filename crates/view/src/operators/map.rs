//! `Map`: filter, then project, fused.
//!
//! Delta rule: linear. `d(map(A)) = map(dA)`, weights unchanged; rows whose condition is false or NULL vanish.
//! State: none.
//!
//! Two ways to the same rows. Where the condition is a conjunction of tests on encoded rows and the projection only picks
//! columns, encoded rows are filtered and copied, one by one; this is most maps. Otherwise one vectorised evaluation per
//! expression, over the rows that passed the filter only (so that a condition guards the projection against what it
//! excludes).

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use monostable_types::{Picker, Rows, Weight};

use crate::delta::Delta;
use crate::expression::{Expr, truth};
use crate::failure::Failure;
use crate::identity;
use crate::layout::RowType;
use crate::predicate::Predicate;

/// Filter, then project.
#[derive(Debug)]
pub struct Map {
    /// Keep the rows for which this is true.
    filter: Option<Expr>,
    /// The columns of the result; `None` keeps the input's.
    project: Option<Vec<Expr>>,
    /// How to do it on encoded rows, if that is possible.
    encoded: Option<Encoded>,
}

/// A map on encoded rows.
#[derive(Debug)]
struct Encoded {
    predicate: Option<Predicate>,
    picker: Picker,
}

impl Map {
    /// A map of rows with `columns` columns. The expressions name only columns that are there.
    pub(crate) fn new(filter: Option<Expr>, project: Option<Vec<Expr>>, columns: usize) -> Map {
        let encoded = Encoded::of(filter.as_ref(), project.as_deref(), columns);
        Map { filter, project, encoded }
    }

    /// Whether every row comes out, and nothing of it is computed: as many rows leave as come in, and no row can fail.
    pub(crate) fn only_picks(&self) -> bool {
        self.encoded.as_ref().is_some_and(|encoded| encoded.predicate.is_none())
    }

    /// The change of the output for a change of the input. `row` is the type of the output.
    pub(crate) fn apply(&self, row: &Arc<RowType>, input: &Delta) -> Result<Delta, Failure> {
        match (&self.encoded, input.encoded_rows()) {
            (Some(encoded), Some(rows)) => encoded.apply(row, input, rows),
            _ => self.evaluate(row, input),
        }
    }

    fn evaluate(&self, row: &Arc<RowType>, input: &Delta) -> Result<Delta, Failure> {
        let filtered = match &self.filter {
            None => input.clone(),
            Some(condition) => {
                let keep = truth(&condition.evaluate(input.columns()?)?)?;
                if keep.len() != input.len() {
                    return Err(Failure::inconsistent("a condition has not one value per row"));
                }
                if keep.true_count() == keep.len() { input.clone() } else { input.filter(&keep)? }
            }
        };
        let Some(project) = &self.project else { return Ok(filtered) };
        if filtered.is_empty() {
            // No expression is asked about no rows: some are not prepared for it.
            return Ok(Delta::empty(row));
        }
        let rows = filtered.columns()?;
        let columns: Result<Vec<ArrayRef>, Failure> = project
            .iter()
            .map(|expression| match expression.as_column() {
                Some(index) if index < rows.num_columns() => Ok(Arc::clone(rows.column(index))),
                _ => Ok(expression.evaluate(rows)?),
            })
            .collect();
        Ok(Delta::new(row, row.batch(columns?, filtered.len())?, filtered.weights().to_vec()))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match &self.filter {
            None => out.push(0),
            Some(condition) => {
                out.push(1);
                put_expression(out, condition);
            }
        }
        match &self.project {
            None => out.push(0),
            Some(project) => {
                out.push(1);
                identity::put_number(out, project.len() as u64);
                project.iter().for_each(|expression| put_expression(out, expression));
            }
        }
    }
}

impl Encoded {
    fn of(filter: Option<&Expr>, project: Option<&[Expr]>, columns: usize) -> Option<Encoded> {
        let predicate = match filter {
            None => None,
            Some(condition) => Some(Predicate::new(condition.conjuncts()?)),
        };
        if predicate.as_ref().is_some_and(|predicate| predicate.reach() > columns) {
            return None;
        }
        let picked: Vec<usize> = match project {
            None => (0..columns).collect(),
            Some(project) => project.iter().map(|expression| expression.as_column()).collect::<Option<_>>()?,
        };
        let picker = picked.iter().all(|&column| column < columns).then(|| Picker::new(&picked, columns))?;
        Some(Encoded { predicate, picker })
    }

    fn apply(&self, row: &Arc<RowType>, input: &Delta, rows: &Rows) -> Result<Delta, Failure> {
        let codec = input.row().codec();
        let mut scratch = Vec::new();
        let mut out = Rows::with_capacity(rows.len(), rows.byte_len());
        let Some(predicate) = &self.predicate else {
            for entry in rows.iter() {
                out.push_with(|bytes| self.picker.pick(codec, entry, &mut scratch, bytes))?;
            }
            return Ok(Delta::encoded(row, out, input.weights().to_vec()));
        };
        let mut weights: Vec<Weight> = Vec::with_capacity(rows.len());
        for (entry, &weight) in rows.iter().zip(input.weights().iter()) {
            if predicate.holds(codec, entry, &mut scratch)? {
                out.push_with(|bytes| self.picker.pick(codec, entry, &mut scratch, bytes))?;
                weights.push(weight);
            }
        }
        Ok(Delta::encoded(row, out, weights))
    }
}

/// Appends an expression's identity, delimited, and its type.
pub(crate) fn put_expression(out: &mut Vec<u8>, expression: &Expr) {
    let mut bytes = Vec::new();
    expression.identity(&mut bytes);
    identity::put_bytes(out, &bytes);
    identity::put_type(out, expression.data_type());
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.filter, &self.project) {
            (None, None) => f.write_str("map"),
            (Some(_), None) => f.write_str("filter"),
            (None, Some(project)) => write!(f, "project {} columns", project.len()),
            (Some(_), Some(project)) => write!(f, "filter and project {} columns", project.len()),
        }
    }
}
