//! Queries over one table or view: a lookup, then filters and projections, a chunk at a time.
//!
//! It recognises plans that are nothing but filters and projections over one relation, and runs them without building a
//! graph. Anything else is left to the graph. The expressions are compiled as they are for a graph, so the two give the same
//! rows (tested in `lookup::tests` against the graph on random predicates).
//!
//! Cost: that of the lookup, plus one pass over its rows per step. Callers: `select`.

use datafusion_common::DFSchemaRef;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Expr, LogicalPlan, SortExpr, TableScan};
use monostable_types::DataType;
use monostable_view::{Graph, NodeId, Version};

use super::chunk::{Chunk, Step, bind_all};
use super::scalars::{Bound, row_types};
use crate::catalog::{Catalog, Relation};
use crate::context::RelationSource;
use crate::error::{Error, Result};
use crate::lookup::predicate::{Conjunct, Operand, conjuncts};
use crate::lookup::{Candidate, Lookup};
use crate::statement::parameters::Parameters;

/// A lookup with the steps that make a query's rows of what it finds.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) lookup: Lookup,
    /// The relation's columns that the steps see; all of them in order if there is nothing to leave out.
    columns: Option<Vec<usize>>,
    steps: Vec<Step>,
    /// For each column of the result, the relation's column that it repeats.
    origins: Vec<Option<usize>>,
}

/// Where a query is planned: what there is, and what its parameters are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) graph: &'a Graph,
    pub(crate) parameters: &'a Parameters,
}

impl Scan {
    /// The scan that a plan amounts to, if it reads a single relation through filters and projections only.
    pub(crate) fn plan(plan: &LogicalPlan, surroundings: Surroundings<'_>) -> Result<Option<Scan>> {
        let mut above = Vec::new();
        let Some((table, relation)) = peel(plan, &mut above) else { return Ok(None) };
        let width = relation.schema().len();
        let columns = table.projection.clone().unwrap_or_else(|| (0..width).collect());
        let types = row_types(&table.projected_schema)?;
        let mut scanner = Scanner { surroundings, conjuncts: Vec::new(), filters: Vec::new(), steps: Vec::new() };
        above.reverse();
        let filters = above.iter().take_while(|node| matches!(node, LogicalPlan::Filter(_))).count();
        scanner.split(&above[..filters], &types);
        let candidates = candidates(&relation, surroundings)?;
        let (lookup, consumed) = Lookup::choose(&candidates, &scanner.conjuncts, &columns)?;
        scanner.residual(&consumed)?;
        let mut origins: Vec<Option<usize>> = columns.iter().copied().map(Some).collect();
        for node in &above[filters..] {
            scanner.step(node, &mut origins)?;
        }
        let everything = columns.iter().copied().eq(0..width);
        let columns = (!everything).then_some(columns);
        Ok(Some(Scan { lookup, columns, steps: scanner.steps, origins }))
    }

    /// Whether rows come in this order already, so that no sort is needed.
    pub(crate) fn is_sorted_by(&self, exprs: &[SortExpr], schema: &DFSchemaRef) -> bool {
        let order = self.lookup.order();
        let (fixed, mut rest) = order.split_at(self.lookup.fixed_columns());
        for sort in exprs {
            let Expr::Column(column) = &sort.expr else { return false };
            let index = schema.maybe_index_of_column(column);
            let Some(origin) = index.and_then(|index| self.origins.get(index).copied().flatten()) else { return false };
            if fixed.contains(&origin) {
                continue;
            }
            match rest.split_first() {
                // NULLs come last in an arrangement, as they do by default in an ascending sort.
                Some((next, further)) if *next == origin && sort.asc && !sort.nulls_first => rest = further,
                _ => return false,
            }
        }
        true
    }

    /// The values of the whole key of the unique arrangement `node`, if the scan reads that key and gives the first `width`
    /// columns of the relation as they are.
    pub(crate) fn point_key(&self, node: NodeId, width: usize) -> Option<Vec<Operand>> {
        let filters = self.steps.iter().any(|step| matches!(step, Step::Filter(..)));
        let as_is = self.origins.iter().take(width).copied().eq((0..width).map(Some));
        if filters || !as_is { None } else { self.lookup.point_key(node) }
    }

    /// The arrangement that is read.
    pub(crate) fn node(&self) -> NodeId {
        self.lookup.node
    }

    /// The rows, until `enough` of them are there.
    pub(crate) fn execute(&self, version: &Version, bound: &Bound, enough: Option<usize>) -> Result<Vec<Chunk>> {
        let spine = version.spine_of(self.lookup.node);
        let spine =
            spine.ok_or_else(|| Error::Internal(format!("arrangement {} was never built", self.lookup.node)))?;
        let steps = bind_all(&self.steps, bound)?;
        let mut chunks = Vec::new();
        let mut rows_found = 0_usize;
        self.lookup.read(spine, bound.values(), &mut |rows, weights| {
            let rows = match &self.columns {
                Some(columns) => rows.project(columns)?,
                None => rows,
            };
            let mut chunk = Chunk { rows, weights: weights.to_vec() };
            for step in &steps {
                chunk = step.apply(chunk, bound)?;
            }
            rows_found = rows_found.saturating_add(chunk.weights.len());
            chunks.push(chunk);
            Ok(enough.is_none_or(|enough| rows_found < enough))
        })?;
        Ok(chunks)
    }
}

/// Collects the filters and projections above a table scan, from the top down.
fn peel<'p>(plan: &'p LogicalPlan, above: &mut Vec<&'p LogicalPlan>) -> Option<(&'p TableScan, Relation)> {
    match plan {
        LogicalPlan::Projection(projection) => {
            above.push(plan);
            peel(&projection.input, above)
        }
        LogicalPlan::Filter(filter) => {
            above.push(plan);
            peel(&filter.input, above)
        }
        LogicalPlan::SubqueryAlias(alias) => peel(&alias.input, above),
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let source = scan.source.downcast_ref::<RelationSource>()?;
            Some((scan, source.relation().clone()))
        }
        _ => None,
    }
}

/// The relation's arrangements, its own one first.
fn candidates(relation: &Relation, surroundings: Surroundings<'_>) -> Result<Vec<Candidate>> {
    let Surroundings { catalog, graph, .. } = surroundings;
    let mut candidates = vec![Candidate::new(graph, relation.node(), relation.unique_key().is_some())?];
    // A unique constraint lets several rows have NULL for a key, so its arrangement is read like any index.
    let mut nodes: Vec<NodeId> = match relation {
        Relation::Table(table) => table.unique.iter().map(|unique| unique.node).collect(),
        Relation::View(_) => Vec::new(),
    };
    nodes.extend(catalog.indexes_of(relation.name()).map(|index| index.node));
    for node in nodes {
        candidates.push(Candidate::new(graph, node, false)?);
    }
    Ok(candidates)
}

/// The arrangements that hold a relation's rows: those that a lookup may choose from.
pub(crate) fn arrangements(relation: &Relation, catalog: &Catalog) -> Vec<NodeId> {
    let mut nodes = vec![relation.node()];
    if let Relation::Table(table) = relation {
        nodes.extend(table.unique.iter().map(|unique| unique.node));
    }
    nodes.extend(catalog.indexes_of(relation.name()).map(|index| index.node));
    nodes
}

/// A scan while it is planned.
struct Scanner<'a> {
    surroundings: Surroundings<'a>,
    conjuncts: Vec<Conjunct>,
    /// The schema under each filter, and how many conjuncts it has.
    filters: Vec<(DFSchemaRef, usize)>,
    steps: Vec<Step>,
}

impl Scanner<'_> {
    fn split(&mut self, filters: &[&LogicalPlan], types: &[DataType]) {
        for node in filters {
            if let LogicalPlan::Filter(filter) = node {
                let schema = filter.input.schema();
                let terms = conjuncts(&filter.predicate, schema, types);
                self.filters.push((schema.clone(), terms.len()));
                self.conjuncts.extend(terms);
            }
        }
    }

    /// Filters by what the lookup leaves undecided.
    fn residual(&mut self, consumed: &[usize]) -> Result<()> {
        let mut terms = std::mem::take(&mut self.conjuncts).into_iter().enumerate();
        for (schema, count) in std::mem::take(&mut self.filters) {
            let undecided = terms.by_ref().take(count).filter(|(index, _)| !consumed.contains(index));
            if let Some(predicate) = conjunction(undecided.map(|(_, conjunct)| conjunct.expr)) {
                self.steps.push(Step::filter(predicate, &schema, self.surroundings.parameters)?);
            }
        }
        Ok(())
    }

    fn step(&mut self, node: &LogicalPlan, origins: &mut Vec<Option<usize>>) -> Result<()> {
        let parameters = self.surroundings.parameters;
        match node {
            LogicalPlan::Filter(filter) => {
                self.steps.push(Step::filter(filter.predicate.clone(), filter.input.schema(), parameters)?);
            }
            LogicalPlan::Projection(projection) => {
                let schema = projection.input.schema();
                self.steps.push(Step::project(&projection.expr, schema, &projection.schema, parameters)?);
                let origin = |expr: &Expr| match expr.clone().unalias() {
                    Expr::Column(column) => schema.maybe_index_of_column(&column).and_then(|index| origins[index]),
                    _ => None,
                };
                *origins = projection.expr.iter().map(origin).collect();
            }
            other => return Err(Error::Internal(format!("a scan does not consist of {}", other.display()))),
        }
        Ok(())
    }
}
