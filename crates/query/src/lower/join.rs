//! Inner joins: two arrangements on the join key, a join, and a projection to the plan's columns.
//!
//! A side that is a whole relation, or some of its columns, is not arranged again when the relation has an arrangement whose key
//! begins with the join's columns: the join then reads whole rows of it, and the projection afterwards drops the rest. Any other
//! side is arranged on the join key with just the columns that are needed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Field, FieldRef};
use datafusion_common::{Column, DFSchema, NullEquality, TableReference};
use datafusion_expr::{BinaryExpr, Expr, Join as JoinPlan, LogicalPlan, Operator};
use monostable_types::DataType;
use monostable_view::expression;
use monostable_view::{Join, NodeId};

use super::{Lowering, refuse_interval, relation_of, type_of};
use crate::catalog::Relation;
use crate::compile::compile_expr;
use crate::error::{Error, Result};
use crate::planner::Purpose;

/// One side of a join before it is arranged.
struct Side {
    node: NodeId,
    /// Where each column of the plan is in the rows of `node`.
    columns: Vec<usize>,
    /// Where each column of the join key is in the rows of `node`.
    keys: Vec<usize>,
    /// Arrangements of a relation with the same key, if the side is one.
    existing: Vec<Existing>,
}

/// An arrangement that is there.
struct Existing {
    node: NodeId,
    /// Columns of its key, by position in its rows.
    key: Vec<usize>,
    /// Where each column of the plan is in its rows.
    columns: Vec<usize>,
    /// Where each column of the join key is in its rows.
    keys: Vec<usize>,
}

/// One side of a join, arranged.
struct Arranged {
    node: NodeId,
    columns: Vec<usize>,
    width: usize,
}

impl Existing {
    /// The join's columns in the order of the arrangement's key, if they are a prefix of it.
    fn order(&self) -> Option<Vec<usize>> {
        let prefix = self.key.get(..self.keys.len())?;
        prefix.iter().map(|column| self.keys.iter().position(|key| key == column)).collect()
    }
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &JoinPlan) -> Result<NodeId> {
        let (pairs, conditions) = split_pairs(join);
        let left_keys: Vec<&Expr> = pairs.iter().map(|(left, _)| left).collect();
        let right_keys: Vec<&Expr> = pairs.iter().map(|(_, right)| right).collect();
        let left = self.side(&join.left, &left_keys)?;
        let right = self.side(&join.right, &right_keys)?;
        let (left, right) = self.arrange_sides(&left, &right, pairs.len())?;
        let pair_schema = pair_schema(join, &left, &right)?;
        let residual = self.condition(&conditions, &pair_schema)?;
        let operator =
            Join { keys: pairs.len(), null_equals_null: join.null_equality == NullEquality::NullEqualsNull, residual };
        let joined = self.graph.join(left.node, right.node, operator)?;
        let output: Vec<usize> =
            left.columns.iter().copied().chain(right.columns.iter().map(|column| left.width + column)).collect();
        Ok(self.graph.project(joined, &output)?)
    }

    fn side(&mut self, plan: &LogicalPlan, keys: &[&Expr]) -> Result<Side> {
        let existing = self.existing(plan, keys)?;
        let node = self.node(plan)?;
        let schema = plan.schema();
        let width = schema.fields().len();
        let mut computed = Vec::new();
        let mut positions = Vec::with_capacity(keys.len());
        for key in keys {
            let compiled = compile_expr(key, schema)?;
            refuse_interval([compiled.data_type()], "JOIN")?;
            positions.push(match compiled.as_column() {
                Some(column) => column,
                None => {
                    computed.push(compiled);
                    width + computed.len() - 1
                }
            });
        }
        let node = if computed.is_empty() { node } else { self.with_computed(node, schema, computed)? };
        Ok(Side { node, columns: (0..width).collect(), keys: positions, existing })
    }

    /// A plan's columns, and behind them the parts of a key that have to be computed.
    pub(super) fn with_computed(
        &mut self,
        node: NodeId,
        schema: &DFSchema,
        computed: Vec<monostable_view::Expr>,
    ) -> Result<NodeId> {
        let mut columns = Vec::with_capacity(schema.fields().len() + computed.len());
        for (index, field) in schema.fields().iter().enumerate() {
            columns.push(expression::Column::at(index, type_of(field.data_type())?));
        }
        columns.extend(computed);
        Ok(self.graph.map(node, None, Some(columns))?)
    }

    /// The arrangements of the relation that `plan` reads whole, if it does and all keys are plain columns.
    fn existing(&self, plan: &LogicalPlan, keys: &[&Expr]) -> Result<Vec<Existing>> {
        let Some((relation, columns)) = whole_relation(plan)? else { return Ok(Vec::new()) };
        let mut key_columns = Vec::with_capacity(keys.len());
        for key in keys {
            let Expr::Column(column) = key else { return Ok(Vec::new()) };
            let Some(&position) = columns.get(plan.schema().index_of_column(column)?) else { return Ok(Vec::new()) };
            key_columns.push(position);
        }
        let mut arrangements = vec![(relation.node(), relation.key())];
        if let Relation::Table(table) = relation {
            arrangements.extend(table.unique.iter().map(|unique| (unique.node, unique.columns.clone())));
        }
        if self.purpose == Purpose::Query {
            arrangements
                .extend(self.catalog.indexes_of(relation.name()).map(|index| (index.node, index.columns.clone())));
        }
        let existing = |(node, key)| Existing { node, key, columns: columns.clone(), keys: key_columns.clone() };
        Ok(arrangements.into_iter().map(existing).collect())
    }

    /// Arranges both sides on the join's columns in one order, with as few new arrangements as possible.
    fn arrange_sides(&mut self, left: &Side, right: &Side, keys: usize) -> Result<(Arranged, Arranged)> {
        let natural: Vec<usize> = (0..keys).collect();
        let orders = left.existing.iter().chain(&right.existing).filter_map(Existing::order);
        let covers =
            |side: &Side, order: &Vec<usize>| side.existing.iter().any(|known| known.order().as_ref() == Some(order));
        let covered = |order: &Vec<usize>| usize::from(covers(left, order)) + usize::from(covers(right, order));
        let mut best = natural;
        if keys > 0 {
            for order in orders {
                if covered(&order) > covered(&best) {
                    best = order;
                }
            }
        }
        Ok((self.arrange_side(left, &best)?, self.arrange_side(right, &best)?))
    }

    fn arrange_side(&mut self, side: &Side, order: &[usize]) -> Result<Arranged> {
        if !order.is_empty()
            && let Some(known) = side.existing.iter().find(|known| known.order().as_deref() == Some(order))
        {
            let width = self.graph.row(known.node)?.len();
            return Ok(Arranged { node: known.node, columns: known.columns.clone(), width });
        }
        let key: Vec<usize> = order.iter().map(|&at| side.keys[at]).collect();
        let node = self.graph.arrange(side.node, &key)?;
        let width = self.graph.row(node)?.len();
        Ok(Arranged { node, columns: side.columns.clone(), width })
    }
}

/// The pairs of the key, each column in one pair at most, and the conditions that remain.
fn split_pairs(join: &JoinPlan) -> (Vec<(Expr, Expr)>, Vec<Expr>) {
    let mut pairs: Vec<(Expr, Expr)> = Vec::new();
    let mut conditions: Vec<Expr> = Vec::new();
    let op = match join.null_equality {
        NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
        NullEquality::NullEqualsNothing => Operator::Eq,
    };
    for (left, right) in &join.on {
        if pairs.iter().any(|(l, r)| l == left || r == right) {
            conditions.push(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.clone()), op, Box::new(right.clone()))));
        } else {
            pairs.push((left.clone(), right.clone()));
        }
    }
    if let Some(filter) = &join.filter {
        conditions.extend(datafusion_expr::utils::split_conjunction(filter).into_iter().cloned());
    }
    (pairs, conditions)
}

/// The relation that the plan reads without dropping rows or computing anything, and where each column of the plan is in it.
fn whole_relation(plan: &LogicalPlan) -> Result<Option<(&Relation, Vec<usize>)>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let relation = relation_of(scan)?;
            let columns = match &scan.projection {
                Some(columns) => columns.clone(),
                None => (0..relation.schema().len()).collect(),
            };
            Ok(Some((relation, columns)))
        }
        LogicalPlan::SubqueryAlias(alias) => whole_relation(&alias.input),
        LogicalPlan::Projection(projection) => {
            let Some((relation, inner)) = whole_relation(&projection.input)? else { return Ok(None) };
            let mut columns = Vec::with_capacity(projection.expr.len());
            for expr in &projection.expr {
                let Expr::Column(column) = expr.clone().unalias() else { return Ok(None) };
                let Some(&position) = inner.get(projection.input.schema().index_of_column(&column)?) else {
                    return Ok(None);
                };
                columns.push(position);
            }
            Ok(Some((relation, columns)))
        }
        _ => Ok(None),
    }
}

/// The columns of a pair of rows, under the names that the join's conditions use.
fn pair_schema(join: &JoinPlan, left: &Arranged, right: &Arranged) -> Result<DFSchema> {
    let width = left.width + right.width;
    let unnamed =
        |index: usize| (None, Arc::new(Field::new(format!("\u{2}{index}"), DataType::Boolean.to_arrow(), true)));
    let mut fields: Vec<(Option<TableReference>, FieldRef)> = (0..width).map(unnamed).collect();
    for (plan, side, offset) in [(&join.left, left, 0), (&join.right, right, left.width)] {
        for ((qualifier, field), position) in plan.schema().iter().zip(&side.columns) {
            if let Some(slot) = fields.get_mut(offset + position) {
                *slot = (qualifier.cloned(), Arc::clone(field));
            }
        }
    }
    unambiguous(&fields)?;
    Ok(DFSchema::new_with_metadata(fields, HashMap::new())?)
}

fn unambiguous(fields: &[(Option<TableReference>, FieldRef)]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for (qualifier, field) in fields {
        let column = Column::new(qualifier.clone(), field.name());
        if !seen.insert(column.clone()) {
            return Err(Error::Ambiguous(column.flat_name()));
        }
    }
    Ok(())
}
