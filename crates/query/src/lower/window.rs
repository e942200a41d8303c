//! ORDER BY with LIMIT: an arrangement in that order, and the window of it.
//!
//! Expressions to order by that are not columns are computed behind the others, and dropped again above the window. Projections
//! between the ORDER BY and the LIMIT change no row's place, so the window is taken below them.

use datafusion_expr::{Expr, Limit, LogicalPlan, Sort};
use monostable_types::Order;
use monostable_view::NodeId;

use super::Lowering;
use crate::compile::compile_expr;
use crate::error::{Error, Result};
use crate::limit;

impl Lowering<'_> {
    pub(super) fn limit(&mut self, limit: &Limit) -> Result<NodeId> {
        let (offset, fetch) = limit::window(limit)?;
        self.window(&limit.input, offset, fetch)
    }

    #[recursive::recursive]
    fn window(&mut self, plan: &LogicalPlan, offset: u64, limit: Option<u64>) -> Result<NodeId> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let node = self.window(&projection.input, offset, limit)?;
                let schema = projection.input.schema();
                let columns = projection.expr.iter().map(|expr| compile_expr(expr, schema)).collect::<Result<_>>()?;
                Ok(self.graph.map(node, None, Some(columns))?)
            }
            LogicalPlan::SubqueryAlias(alias) => self.window(&alias.input, offset, limit),
            LogicalPlan::Sort(sort) if offset == 0 && limit.is_none() => self.node(&sort.input),
            LogicalPlan::Sort(sort) => self.top_k(sort, offset, limit),
            _ => Err(Error::not_supported("LIMIT or OFFSET without ORDER BY in a subquery or view")),
        }
    }

    fn top_k(&mut self, sort: &Sort, offset: u64, limit: Option<u64>) -> Result<NodeId> {
        if sort.fetch.is_some() {
            return Err(Error::Internal("an ORDER BY was given a limit of its own".to_string()));
        }
        let schema = sort.input.schema();
        let width = schema.fields().len();
        let (mut key, mut computed) = (Vec::<(usize, Order)>::new(), Vec::new());
        for sort_expr in &sort.expr {
            // A constant orders nothing.
            if matches!(sort_expr.expr, Expr::Literal(..)) {
                continue;
            }
            let compiled = compile_expr(&sort_expr.expr, schema)?;
            let column = compiled.as_column().unwrap_or_else(|| {
                computed.push(compiled);
                width + computed.len() - 1
            });
            if key.iter().all(|(named, _)| *named != column) {
                key.push((column, Order { descending: !sort_expr.asc, nulls_first: sort_expr.nulls_first }));
            }
        }
        let input = self.node(&sort.input)?;
        let input = if computed.is_empty() { input } else { self.with_computed(input, schema, computed)? };
        let arranged = self.graph.arrange_ordered(input, &key)?;
        let window = self.graph.top_k(arranged, offset, limit)?;
        Ok(self.graph.project(window, &(0..width).collect::<Vec<_>>())?)
    }
}
