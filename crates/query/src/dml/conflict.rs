//! ON CONFLICT: what becomes of a proposed row whose key is taken.
//!
//! DO NOTHING drops it. DO UPDATE replaces the row that has the key, by expressions over that row and the proposed one
//! (`excluded`). A key is taken by a row of the version or by an earlier row of the same statement; DO UPDATE refuses the
//! latter (21000), because the result would depend on the order of rows.
//!
//! Invariants: only the constraints that the clause names (all of them for DO NOTHING without a target) are resolved here;
//! the others are checked afterwards like those of any INSERT. Rows stay in the order in which they were proposed.
//!
//! Cost: a probe per proposed row and constraint; expressions are evaluated for all conflicting rows at once. Callers: `insert`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::concat::concat;
use arrow_select::take::take;
use datafusion_common::{DFSchema, DFSchemaRef, TableReference};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast::{self, Ident, OnConflictAction};
use monostable_types::{DataType, Value, values_to_array};
use monostable_view::{RowType, Version};

use super::cell::Cell;
use super::target::{EncodedKeys, Key, TableTarget};
use super::{Change, Limits, Statement, assignments};
use crate::ddl::object_name;
use crate::error::{Error, Object, Result};
use crate::names::fold;
use crate::select::chunk::take_rows;
use crate::select::scalars::{Bound, Scalars, expr_types};
use crate::statement::parameters::{ParameterTypes, Parameters};

/// An ON CONFLICT clause, compiled.
#[derive(Clone, Debug)]
pub(crate) struct OnConflict {
    /// The constraints that are resolved, as indices into the table's keys.
    arbiters: Vec<usize>,
    update: Option<DoUpdate>,
}

/// What DO UPDATE does with a pair of rows: the existing one, then the proposed one.
#[derive(Clone, Debug)]
struct DoUpdate {
    assignments: Vec<(usize, Cell)>,
    computed: Scalars,
    types: Vec<DataType>,
    condition: Option<Scalars>,
}

/// The clause with its types settled, to be compiled once all parameters are known.
pub(super) struct TypedConflict {
    arbiters: Vec<usize>,
    update: Option<TypedUpdate>,
}

struct TypedUpdate {
    schema: DFSchemaRef,
    assignments: Vec<(usize, Cell)>,
    computed: Vec<Expr>,
    condition: Option<Expr>,
}

impl TypedConflict {
    pub(super) fn new(
        statement: &Statement<'_>,
        target: &TableTarget,
        clause: &ast::OnConflict,
        qualifier: &Ident,
        types: &mut ParameterTypes,
        stored: &mut ParameterTypes,
    ) -> Result<TypedConflict> {
        let arbiters = arbiters(target, clause.conflict_target.as_ref())?;
        let update = match &clause.action {
            OnConflictAction::DoNothing => None,
            OnConflictAction::DoUpdate(_) if clause.conflict_target.is_none() => {
                let message = "ON CONFLICT DO UPDATE requires a conflict target: the key's columns or ON CONSTRAINT";
                return Err(Error::Syntax(message.to_owned()));
            }
            OnConflictAction::DoUpdate(update) => {
                Some(TypedUpdate::new(statement, target, update, qualifier, types, stored)?)
            }
        };
        Ok(TypedConflict { arbiters, update })
    }

    /// Compiles the expressions.
    pub(super) fn compile(self, parameters: &Parameters) -> Result<OnConflict> {
        let update = self.update.map(|update| update.compile(parameters)).transpose()?;
        Ok(OnConflict { arbiters: self.arbiters, update })
    }
}

/// The constraints that a conflict target names; 42P10 if there is none on exactly these columns.
fn arbiters(target: &TableTarget, conflict_target: Option<&ast::ConflictTarget>) -> Result<Vec<usize>> {
    let found = match conflict_target {
        None => return Ok((0..target.keys.len()).collect()),
        Some(ast::ConflictTarget::Columns(names)) => {
            let mut columns = names.iter().map(|name| target.column(&fold(name))).collect::<Result<Vec<usize>>>()?;
            columns.sort_unstable();
            columns.dedup();
            target.keys.iter().position(|key| {
                let mut own = key.columns.clone();
                own.sort_unstable();
                own == columns
            })
        }
        Some(ast::ConflictTarget::OnConstraint(name)) => {
            let name = object_name(name)?;
            let found = target.keys.iter().position(|key| key.name == name);
            if found.is_none() {
                return Err(Error::undefined(Object::Constraint, name));
            }
            found
        }
    };
    match found {
        Some(index) => Ok(vec![index]),
        None => Err(Error::InvalidDefinition {
            sqlstate: "42P10",
            message: "there is no unique constraint matching the ON CONFLICT specification".to_owned(),
        }),
    }
}

impl TypedUpdate {
    fn new(
        statement: &Statement<'_>,
        target: &TableTarget,
        update: &ast::DoUpdate,
        qualifier: &Ident,
        types: &mut ParameterTypes,
        stored: &mut ParameterTypes,
    ) -> Result<TypedUpdate> {
        let schema = pair_schema(target, &fold(qualifier))?;
        let Statement { planner, catalog, .. } = statement;
        let (mut set, mut computed) = (Vec::new(), Vec::new());
        for (column, expr) in assignments(target, &update.assignments)? {
            let recognised = Cell::recognise(expr, &target.columns[column], &target.defaults[column], stored)?;
            let cell = match recognised {
                Some(cell) => cell,
                None => {
                    computed.push(types.expr(planner.expression(expr, &schema, catalog)?)?);
                    Cell::Computed(computed.len() - 1)
                }
            };
            set.push((column, cell));
        }
        let condition = update.selection.as_ref();
        let condition = condition.map(|expr| types.expr(planner.expression(expr, &schema, catalog)?)).transpose()?;
        Ok(TypedUpdate { schema, assignments: set, computed, condition })
    }

    fn compile(self, parameters: &Parameters) -> Result<DoUpdate> {
        let types = expr_types(&self.computed, &self.schema)?;
        let computed = Scalars::compile(&self.computed, &self.schema, parameters)?;
        let condition = self.condition.map(|condition| Scalars::compile(&[condition], &self.schema, parameters));
        Ok(DoUpdate { assignments: self.assignments, computed, types, condition: condition.transpose()? })
    }
}

/// The columns of the table under its name, then once more as `excluded`.
fn pair_schema(target: &TableTarget, qualifier: &str) -> Result<DFSchemaRef> {
    let fields = [qualifier, "excluded"].into_iter().flat_map(|name| {
        target.columns.iter().map(move |column| {
            let field = arrow_schema::Field::new(&column.name, column.data_type.to_arrow(), true);
            (Some(TableReference::bare(name)), Arc::new(field))
        })
    });
    Ok(Arc::new(DFSchema::new_with_metadata(fields.collect(), Default::default())?))
}

/// What becomes of a proposed row.
#[derive(Clone, Copy)]
enum Fate {
    Inserted,
    /// Replaces the existing row at this index of the conflicting pairs.
    Updates(u32),
}

impl OnConflict {
    /// Resolves the conflicts of the proposed rows with the table and with each other.
    pub(super) fn resolve(
        &self,
        target: &TableTarget,
        version: &Version,
        bound: &Bound,
        proposed: RecordBatch,
        limits: Limits,
    ) -> Result<Change> {
        match &self.update {
            None => self.drop_conflicting(target, version, &proposed),
            Some(update) => match self.arbiters.first().and_then(|index| target.keys.get(*index)) {
                Some(key) => update.resolve(target, key, version, bound, &proposed, limits),
                None => Err(Error::Internal("ON CONFLICT DO UPDATE without a constraint".to_owned())),
            },
        }
    }

    /// DO NOTHING.
    fn drop_conflicting(&self, target: &TableTarget, version: &Version, proposed: &RecordBatch) -> Result<Change> {
        let keys: Vec<&Key> = self.arbiters.iter().filter_map(|index| target.keys.get(*index)).collect();
        let encoded: Vec<EncodedKeys> = keys.iter().map(|key| key.encode(proposed)).collect::<Result<_>>()?;
        let mut taken: Vec<HashSet<&[u8]>> = vec![HashSet::new(); keys.len()];
        let mut kept: Vec<u32> = Vec::new();
        for (row, index) in (0..proposed.num_rows()).zip(0_u32..) {
            let mut conflicts = false;
            for ((key, encoded), taken) in keys.iter().zip(&encoded).zip(&taken) {
                if let Some(bytes) = encoded.get(row) {
                    conflicts |= taken.contains(bytes) || key.find(version, bytes)?.is_some();
                }
            }
            if !conflicts {
                kept.push(index);
                for (encoded, taken) in encoded.iter().zip(&mut taken) {
                    taken.extend(encoded.get(row));
                }
            }
        }
        Ok(Change { removed: target.no_rows(), added: take_rows(proposed, &kept)? })
    }
}

impl DoUpdate {
    fn resolve(
        &self,
        target: &TableTarget,
        key: &Key,
        version: &Version,
        bound: &Bound,
        proposed: &RecordBatch,
        limits: Limits,
    ) -> Result<Change> {
        let encoded = key.encode(proposed)?;
        let (existing, partners) = existing_rows(target, key, version, &encoded)?;
        let pairs = pair(target, &existing, &take_rows(proposed, &partners)?)?;
        let wanted = match &self.condition {
            None => None,
            Some(condition) => Some(condition.bind(bound)?.condition(&pairs, bound)?),
        };
        let mut fates: Vec<(u32, Fate)> = Vec::new();
        let mut affected: HashSet<&[u8]> = HashSet::new();
        let mut pair_indices = (0_u32..).zip(&partners).peekable();
        for (row, index) in (0..proposed.num_rows()).zip(0_u32..) {
            let at = pair_indices.next_if(|(_, partner)| **partner == index).map(|(at, _)| at);
            if encoded.get(row).is_some_and(|bytes| affected.contains(bytes)) {
                return Err(Error::data("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time"));
            }
            let fate = match at {
                None => Fate::Inserted,
                Some(at) if wanted.as_ref().is_none_or(|wanted| wanted.value(at as usize)) => Fate::Updates(at),
                Some(_) => continue,
            };
            affected.extend(encoded.get(row));
            fates.push((index, fate));
        }
        let change = self.apply(target, bound, proposed, &existing, &pairs, &fates)?;
        target.check_rows(&change.added, limits.row_bytes_max)?;
        Ok(change)
    }

    /// Puts the inserted and the updated rows together, in the order of the proposed ones.
    fn apply(
        &self,
        target: &TableTarget,
        bound: &Bound,
        proposed: &RecordBatch,
        existing: &RecordBatch,
        pairs: &RecordBatch,
        fates: &[(u32, Fate)],
    ) -> Result<Change> {
        let updated = fates.iter().filter_map(|(_, fate)| match fate {
            Fate::Inserted => None,
            Fate::Updates(at) => Some(*at),
        });
        let updated: Vec<u32> = updated.collect();
        let removed = take_rows(existing, &updated)?;
        let replaced = self.replaced(target, bound, &removed, &take_rows(pairs, &updated)?)?;
        let offset =
            u32::try_from(proposed.num_rows()).map_err(|_| Error::data("54000", "too many rows in one INSERT"))?;
        let mut next = offset;
        let order: Vec<u32> = fates
            .iter()
            .map(|(index, fate)| match fate {
                Fate::Inserted => *index,
                Fate::Updates(_) => {
                    next += 1;
                    next - 1
                }
            })
            .collect();
        let order = UInt32Array::from(order);
        let columns = proposed.columns().iter().zip(replaced.columns());
        let columns = columns.map(|(proposed, replaced)| {
            let both = concat(&[proposed.as_ref(), replaced.as_ref()])?;
            Ok(take(&both, &order, None)?)
        });
        Ok(Change { removed, added: target.batch(columns.collect::<Result<_>>()?, fates.len())? })
    }

    /// The existing rows with the assigned columns replaced.
    fn replaced(
        &self,
        target: &TableTarget,
        bound: &Bound,
        existing: &RecordBatch,
        pairs: &RecordBatch,
    ) -> Result<RecordBatch> {
        let computed = self.computed.bind(bound)?.evaluate(pairs, bound)?;
        let count = existing.num_rows();
        let mut columns: Vec<ArrayRef> = existing.columns().to_vec();
        for (column, cell) in &self.assignments {
            let to = &target.columns[*column];
            columns[*column] = match cell {
                Cell::Computed(index) => to.assign_array(&computed[*index], self.types[*index])?,
                constant => {
                    let value: Value = constant.value(to, bound, &[])?;
                    values_to_array(to.data_type, std::iter::repeat_n(&value, count))?
                }
            };
        }
        target.batch(columns, count)
    }
}

/// For each proposed row whose key is taken in the version: the row that has it, and the proposed row's index.
fn existing_rows(
    target: &TableTarget,
    key: &Key,
    version: &Version,
    encoded: &EncodedKeys,
) -> Result<(RecordBatch, Vec<u32>)> {
    let node = version.graph().node(key.node).and_then(|node| node.layout());
    let layout = node.ok_or_else(|| Error::Internal(format!("node {} is not an arrangement", key.node)))?;
    let (mut entries, mut partners) = (Vec::new(), Vec::new());
    for (index, bytes) in (0_u32..).zip(encoded.iter()) {
        if let Some(entry) = bytes.map(|bytes| key.find(version, bytes)).transpose()?.flatten() {
            entries.push(entry);
            partners.push(index);
        }
    }
    let rows = layout.decode(entries.iter().copied())?;
    Ok((target.batch(rows.columns().to_vec(), entries.len())?, partners))
}

fn pair(target: &TableTarget, existing: &RecordBatch, proposed: &RecordBatch) -> Result<RecordBatch> {
    let types: Vec<DataType> = target.row.types().iter().chain(target.row.types()).copied().collect();
    let columns = existing.columns().iter().chain(proposed.columns()).cloned().collect();
    Ok(RowType::new(&types).batch(columns, existing.num_rows())?)
}
