//! `Map`: filter, then project, fused.
//!
//! Delta rule: linear. `d(map(A)) = map(dA)`, weights unchanged; rows whose condition is false or NULL vanish.
//! State: none. Cost: one vectorised evaluation per expression, over the rows that passed the filter only (so a condition
//! guards the projection against what it excludes). A projection that only picks columns evaluates nothing.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::delta::Delta;
use crate::expression::{Expr, truth};
use crate::failure::Failure;
use crate::identity;
use crate::layout::RowType;

/// Filter, then project.
#[derive(Debug)]
pub struct Map {
    /// Keep the rows for which this is true.
    pub(crate) filter: Option<Expr>,
    /// The columns of the result; `None` keeps the input's.
    pub(crate) project: Option<Vec<Expr>>,
}

impl Map {
    /// The change of the output for a change of the input. `row` is the type of the output.
    pub(crate) fn apply(&self, row: &RowType, input: &Delta) -> Result<Delta, Failure> {
        let filtered = match &self.filter {
            None => input.clone(),
            Some(condition) => {
                let keep = truth(&condition.evaluate(input.rows())?)?;
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
        let columns: Result<Vec<ArrayRef>, Failure> = project
            .iter()
            .map(|expression| match expression.as_column() {
                Some(index) if index < filtered.rows().num_columns() => Ok(Arc::clone(filtered.rows().column(index))),
                _ => Ok(expression.evaluate(filtered.rows())?),
            })
            .collect();
        Ok(Delta::new(row.batch(columns?, filtered.len())?, Arc::clone(filtered.weights())))
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
