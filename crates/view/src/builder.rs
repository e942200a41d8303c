//! `GraphBuilder`: adds nodes to a graph, with the types checked.
//!
//! Every method gives the node that computes what was asked for: a new one, or the one that computes it already. A
//! type error, a missing column or an unsupported combination is a [`GraphError`] and leaves the builder as it was, so that
//! no graph exists whose operators could meet a row of the wrong type.
//!
//! Cost: O(size of the operator) per node. Called when a statement is planned.

use std::collections::BTreeSet;
use std::sync::Arc;

use monostable_types::{DataType, Order, Value};

use crate::delta::Delta;
use crate::expression::Expr;
use crate::failure::Failure;
use crate::graph::{Graph, Inner, Node, NodeId, TableId};
use crate::layout::{Layout, RowType};
use crate::operators::{AggregateCall, Join, Map, Operator, TopK};

/// A graph cannot be built as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// There is no such node in the graph.
    #[error("there is no node {0} in this graph")]
    UnknownNode(NodeId),
    /// There is no such column in the input.
    #[error("there is no column {column} in a row of {columns} columns")]
    UnknownColumn {
        /// What was asked for, counted from 0.
        column: usize,
        /// How many there are.
        columns: usize,
    },
    /// A key names a column twice.
    #[error("column {0} is named twice in one key")]
    RepeatedColumn(usize),
    /// Two types that must be the same are not.
    #[error("{what} must have type {expected}, but has type {found}")]
    TypeMismatch {
        /// What has the wrong type.
        what: &'static str,
        /// The type that it must have.
        expected: String,
        /// The type that it has.
        found: String,
    },
    /// An operator reads an arrangement, and its input is none.
    #[error("node {0} is not an arrangement as {1} needs it")]
    NotArranged(NodeId, &'static str),
    /// A table is in the graph with other columns.
    #[error("table {} is in the graph with other column types", .0.0)]
    TableRetyped(TableId),
    /// An aggregate that does not exist for these types.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A union of nothing has no type.
    #[error("a union needs at least one input")]
    EmptyUnion,
    /// Constant rows that do not have the declared types.
    #[error("constant rows: {0}")]
    Constant(#[source] Failure),
}

impl GraphError {
    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            GraphError::TypeMismatch { .. } => "42804",
            GraphError::Unsupported(_) => "0A000",
            GraphError::Constant(failure) => failure.sqlstate(),
            _ => crate::failure::INTERNAL,
        }
    }
}

/// Adds nodes to a graph. See the module's documentation.
#[derive(Debug)]
pub struct GraphBuilder {
    inner: Inner,
}

impl Graph {
    /// A builder that starts with this graph.
    pub fn extend(&self) -> GraphBuilder {
        GraphBuilder { inner: Inner::clone(&self.inner) }
    }
}

impl GraphBuilder {
    /// The graph with all nodes that were added.
    pub fn finish(self) -> Graph {
        Graph { inner: Arc::new(self.inner) }
    }

    /// The type of a node's rows.
    pub fn row(&self, node: NodeId) -> Result<&Arc<RowType>, GraphError> {
        Ok(&self.node(node)?.row)
    }

    /// The changes of a table with columns of these types.
    pub fn source(&mut self, table: TableId, types: &[DataType]) -> Result<NodeId, GraphError> {
        let row = RowType::new(types);
        let known = self.inner.source(table).and_then(|id| self.inner.node(id));
        if known.is_some_and(|node| node.row != row) {
            return Err(GraphError::TableRetyped(table));
        }
        Ok(self.inner.intern(Operator::Source { table }, Vec::new(), row))
    }

    /// Constant rows, with one value per type.
    pub fn values(&mut self, types: &[DataType], rows: &[Vec<Value>]) -> Result<NodeId, GraphError> {
        let weighted: Vec<(Vec<Value>, i64)> = rows.iter().map(|row| (row.clone(), 1)).collect();
        let constant = |failure| GraphError::Constant(failure);
        let rows = Delta::from_values(types, &weighted).map_err(|error| constant(error.into()))?;
        let rows = rows.consolidate().map_err(constant)?;
        Ok(self.inner.intern(Operator::Values { rows }, Vec::new(), RowType::new(types)))
    }

    /// Keeps the rows for which `filter` is true, then computes the columns `project` from them.
    pub fn map(
        &mut self,
        input: NodeId,
        filter: Option<Expr>,
        project: Option<Vec<Expr>>,
    ) -> Result<NodeId, GraphError> {
        let input_row = Arc::clone(self.row(input)?);
        if let Some(condition) = &filter {
            check_type("a condition", DataType::Boolean, condition.data_type())?;
        }
        for expression in filter.iter().chain(project.iter().flatten()) {
            if let Some(column) = expression.as_column() {
                let found = *column_type(&input_row, column)?;
                check_type("a column", found, expression.data_type())?;
            }
        }
        let identical = |project: &Vec<Expr>| {
            project.len() == input_row.len()
                && project.iter().enumerate().all(|(index, expression)| expression.as_column() == Some(index))
        };
        let project = project.filter(|project| !identical(project));
        if filter.is_none() && project.is_none() {
            return Ok(input);
        }
        let columns = input_row.len();
        let row = match &project {
            None => input_row,
            Some(project) => RowType::new(&project.iter().map(|expression| expression.data_type()).collect::<Vec<_>>()),
        };
        Ok(self.inner.intern(Operator::Map(Map::new(filter, project, columns)), vec![input], row))
    }

    /// The given columns of the input, in the given order.
    pub fn project(&mut self, input: NodeId, columns: &[usize]) -> Result<NodeId, GraphError> {
        let row = Arc::clone(self.row(input)?);
        let column = |&index: &usize| Ok(crate::expression::Column::at(index, *column_type(&row, index)?));
        let project: Result<Vec<Expr>, GraphError> = columns.iter().map(column).collect();
        self.map(input, None, Some(project?))
    }

    /// The sum of the inputs: `UNION ALL`.
    pub fn union(&mut self, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let [first, rest @ ..] = inputs else { return Err(GraphError::EmptyUnion) };
        let row = Arc::clone(self.row(*first)?);
        for &input in rest {
            let found = self.row(input)?;
            if *found != row {
                return Err(mismatch("an input of a union", &row, found));
            }
        }
        if rest.is_empty() {
            return Ok(*first);
        }
        Ok(self.inner.intern(Operator::Union, inputs.to_vec(), row))
    }

    /// The input with its weights negated.
    pub fn negate(&mut self, input: NodeId) -> Result<NodeId, GraphError> {
        let row = Arc::clone(self.row(input)?);
        Ok(self.inner.intern(Operator::Negate, vec![input], row))
    }

    /// The input, integrated into an arrangement that is sorted by the columns `key`.
    pub fn arrange(&mut self, input: NodeId, key: &[usize]) -> Result<NodeId, GraphError> {
        let key: Vec<(usize, Order)> = key.iter().map(|&column| (column, Order::default())).collect();
        self.arrange_ordered(input, &key)
    }

    /// The same, with a direction for each column of the key, as `ORDER BY` asks for it. Where all directions are the default
    /// it is the node that `arrange` gives.
    pub fn arrange_ordered(&mut self, input: NodeId, key: &[(usize, Order)]) -> Result<NodeId, GraphError> {
        let row = Arc::clone(self.row(input)?);
        let mut seen = BTreeSet::new();
        for &(column, _) in key {
            column_type(&row, column)?;
            if !seen.insert(column) {
                return Err(GraphError::RepeatedColumn(column));
            }
        }
        // An arrangement of an arrangement holds the same rows: read the original input.
        let node = self.node(input)?;
        let input = if node.is_arrange() { node.inputs[0] } else { input };
        // An aggregate keeps its rows by group itself.
        if let Operator::Aggregate(aggregate) = &self.node(input)?.operator
            && aggregate.layout().key().iter().map(|&column| (column, Order::default())).eq(key.iter().copied())
        {
            return Ok(input);
        }
        Ok(self.inner.intern(Operator::Arrange(Layout::new(Arc::clone(&row), key)), vec![input], row))
    }

    /// The rows at the positions from `offset` on, at most `limit` of them, in the order of an arrangement: its key with its
    /// directions, then the other columns as they come. A row of weight w has w positions.
    pub fn top_k(&mut self, arrangement: NodeId, offset: u64, limit: Option<u64>) -> Result<NodeId, GraphError> {
        let row = Arc::clone(self.layout(arrangement, "a top-k")?.row());
        Ok(self.inner.intern(Operator::TopK(TopK { offset, limit }), vec![arrangement], row))
    }

    /// Promises that the consolidated content of an arrangement has positive weights only, as every table and every view
    /// must. A step that would break the promise is an error that names the node.
    pub fn assert_positive(&mut self, arrangement: NodeId) -> Result<(), GraphError> {
        self.layout(arrangement, "a table or view")?;
        self.inner.mark_positive(arrangement);
        Ok(())
    }

    /// Each row of the input once, if its weight is positive.
    pub fn distinct(&mut self, input: NodeId) -> Result<NodeId, GraphError> {
        let row = Arc::clone(self.row(input)?);
        let node = self.node(input)?;
        let whole = node.is_arrange() && node.layout().is_some_and(|layout| layout.key().len() == row.len());
        let arranged = if whole { input } else { self.arrange(input, &(0..row.len()).collect::<Vec<_>>())? };
        Ok(self.inner.intern(Operator::Distinct, vec![arranged], row))
    }

    /// Pairs of rows of two arrangements that agree in the first `join.keys` columns of their entries. The rows of the
    /// result are the left row, then the right row, both in logical order.
    pub fn join(&mut self, left: NodeId, right: NodeId, join: Join) -> Result<NodeId, GraphError> {
        let (left_layout, right_layout) = (self.layout(left, "a join")?, self.layout(right, "a join")?);
        for at in 0..join.keys {
            let part = |layout: &Layout| match layout.directions().get(at) {
                Some(&(column, order)) => Ok((layout.row().types()[column], order)),
                None => Err(GraphError::UnknownColumn { column: at, columns: layout.key().len() }),
            };
            let ((left_type, left_order), (right_type, right_order)) = (part(left_layout)?, part(right_layout)?);
            check_type("a join key", left_type, right_type)?;
            if left_order != right_order {
                // The two sides' keys are compared as bytes.
                return Err(GraphError::Unsupported("a join of arrangements with different directions".to_owned()));
            }
        }
        if let Some(residual) = &join.residual {
            check_type("a join condition", DataType::Boolean, residual.data_type())?;
        }
        let (left_row, right_row) = (left_layout.row(), right_layout.row());
        let row = RowType::new(&[left_row.types(), right_row.types()].concat());
        Ok(self.inner.intern(Operator::Join(join), vec![left, right], row))
    }

    /// One row per group: the leading `groups` columns of the input, then one column per call. Without groups there is
    /// always exactly one row, also over an empty input.
    pub fn aggregate(&mut self, input: NodeId, groups: usize, calls: &[AggregateCall]) -> Result<NodeId, GraphError> {
        crate::operators::aggregate::expand(self, input, groups, calls)
    }

    pub(crate) fn intern(&mut self, operator: Operator, inputs: Vec<NodeId>, row: Arc<RowType>) -> NodeId {
        self.inner.intern(operator, inputs, row)
    }

    fn node(&self, id: NodeId) -> Result<&Arc<Node>, GraphError> {
        self.inner.node(id).ok_or(GraphError::UnknownNode(id))
    }

    fn layout(&self, id: NodeId, reader: &'static str) -> Result<&Layout, GraphError> {
        self.node(id)?.layout().ok_or(GraphError::NotArranged(id, reader))
    }
}

/// The type of a column, which must exist.
pub(crate) fn column_type(row: &RowType, column: usize) -> Result<&DataType, GraphError> {
    row.types().get(column).ok_or(GraphError::UnknownColumn { column, columns: row.len() })
}

pub(crate) fn check_type(what: &'static str, expected: DataType, found: DataType) -> Result<(), GraphError> {
    if expected == found {
        return Ok(());
    }
    Err(GraphError::TypeMismatch { what, expected: expected.to_string(), found: found.to_string() })
}

fn mismatch(what: &'static str, expected: &RowType, found: &RowType) -> GraphError {
    let list = |row: &RowType| {
        let names: Vec<String> = row.types().iter().map(|data_type| data_type.sql_name()).collect();
        format!("({})", names.join(", "))
    };
    GraphError::TypeMismatch { what, expected: list(expected), found: list(found) }
}
