//! Random plans and histories.

use monostable_types::{DataType, Order, Value};
use proptest::prelude::*;

use super::model::{Condition, Plan, TABLES, ZSet, add, delta, types};
use crate::expression::Comparison;
use crate::{AggregateCall, AggregateFunction, Delta, TableId};

/// A source of choices: each takes one number and everything is made from it, so that cases shrink.
pub(crate) struct Choices {
    numbers: std::vec::IntoIter<u32>,
}

impl Choices {
    pub(crate) fn new(numbers: Vec<u32>) -> Choices {
        Choices { numbers: numbers.into_iter() }
    }

    /// A number below `limit`; 0 when the choices are used up.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.numbers.next().unwrap_or(0) as usize % limit.max(1)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == one_in - 1
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn value(&mut self, data_type: DataType) -> Value {
        if self.chance(6) {
            return Value::Null;
        }
        match data_type {
            DataType::Integer => Value::Integer(self.pick(&[0, 1, 2, -1])),
            DataType::SmallInt => Value::SmallInt(self.pick(&[0, 1, 7])),
            DataType::BigInt => Value::BigInt(self.pick(&[0, 1, 2, -5, 1 << 40])),
            DataType::Text => Value::Text(self.pick(&["a", "b", "", "a\0b"]).to_owned()),
            DataType::Boolean => Value::Boolean(self.chance(2)),
            DataType::Double => Value::Double(self.pick(&[0.0, 0.5, -1.25, -0.0, f64::NAN, f64::INFINITY, 64.0])),
            DataType::Real => Value::Real(self.pick(&[0.0, 0.25, -2.5, f32::NEG_INFINITY])),
            DataType::Numeric { scale, .. } => Value::Numeric { unscaled: self.pick(&[0, 150, -225, 1]), scale },
            other => panic!("the model has no values of type {other}"),
        }
    }

    fn row(&mut self, types: &[DataType]) -> Vec<Value> {
        types.iter().map(|&data_type| self.value(data_type)).collect()
    }

    fn comparison(&mut self) -> Comparison {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        self.pick(&[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
    }

    fn condition(&mut self, types: &[DataType]) -> Condition {
        let column = self.below(types.len());
        let same: Vec<usize> = (0..types.len()).filter(|&other| types[other] == types[column]).collect();
        match self.below(3) {
            0 => Condition::NotNull(column),
            1 => Condition::Literal(column, self.comparison(), self.value(types[column])),
            _ => Condition::Columns(column, self.comparison(), self.pick(&same)),
        }
    }

    fn columns(&mut self, types: &[DataType], most: usize) -> Vec<usize> {
        let mut columns = Vec::new();
        for _ in 0..self.below(most + 1) {
            let column = self.below(types.len());
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    fn call(&mut self, types: &[DataType]) -> AggregateCall {
        use AggregateFunction::{Avg, BoolAnd, BoolOr, Count, Max, Min, Sum};
        let booleans: Vec<usize> = (0..types.len()).filter(|&column| types[column] == DataType::Boolean).collect();
        let filter = if !booleans.is_empty() && self.chance(3) { Some(self.pick(&booleans)) } else { None };
        if self.chance(4) {
            return AggregateCall { filter, ..AggregateCall::count_rows() };
        }
        let argument = self.below(types.len());
        let data_type = types[argument];
        let mut functions = vec![Count, Min, Max];
        match data_type {
            DataType::Boolean => functions.extend([BoolAnd, BoolOr]),
            DataType::Text => {}
            _ => functions.extend([Sum, Sum, Avg]),
        }
        let function = self.pick(&functions);
        let wide = |scale: i8| DataType::Numeric { precision: 38, scale };
        let result = match (function, data_type) {
            (Count, _) => DataType::BigInt,
            (Sum | Avg, DataType::Real | DataType::Double) => data_type,
            (Sum, DataType::Numeric { scale, .. }) => wide(scale),
            (Sum, _) => wide(0),
            (Avg, DataType::Numeric { scale, .. }) => wide(scale.max(9)),
            (Avg, _) => wide(9),
            _ => data_type,
        };
        AggregateCall { function, argument: Some(argument), distinct: self.chance(3), filter, result }
    }

    /// A plan of the tables and `nodes` more nodes.
    pub(crate) fn plan(&mut self, nodes: usize) -> Vec<Plan> {
        let mut plan: Vec<Plan> = (0..TABLES.len()).map(Plan::Table).collect();
        for _ in 0..nodes {
            let node = self.node(&plan);
            plan.push(node);
        }
        plan
    }

    fn node(&mut self, plan: &[Plan]) -> Plan {
        let all = types(plan);
        // Later nodes more often: deep plans are the interesting ones.
        let input = plan.len() - 1 - self.below(plan.len()).min(self.below(plan.len()));
        let input = match plan.last() {
            // A filter wants to be taken away from its input now and then.
            Some(Plan::Filter(of, _)) if self.chance(3) => return Plan::Minus(*of, plan.len() - 1),
            _ => input,
        };
        let input_types = &all[input];
        if input_types.is_empty() {
            return Plan::Aggregate(input, Vec::new(), vec![AggregateCall::count_rows()]);
        }
        match self.below(11) {
            0 => Plan::Filter(input, self.condition(input_types)),
            1 => Plan::Project(input, (0..self.below(4)).map(|_| self.below(input_types.len())).collect()),
            2 => {
                let same: Vec<usize> = (0..plan.len()).filter(|&other| all[other] == *input_types).collect();
                Plan::Union(vec![input, self.pick(&same)])
            }
            3 => {
                let rows = (0..self.below(3)).map(|_| self.row(TABLES[2])).collect();
                Plan::Values(rows, TABLES[2].to_vec())
            }
            4 if self.chance(2) => {
                // What a filter of the same input lets through is certainly a part of it.
                let parts: Vec<usize> = (0..plan.len())
                    .filter(|&other| matches!(&plan[other], Plan::Filter(of, _) if *of == input))
                    .collect();
                if parts.is_empty() { Plan::Distinct(input) } else { Plan::Minus(input, self.pick(&parts)) }
            }
            4 => Plan::Distinct(input),
            5 => Plan::View(input, self.columns(input_types, 3)),
            6 | 7 => self.join(input, &all),
            8 => self.top_k(input, input_types),
            _ => {
                let groups = self.columns(input_types, 2);
                let calls = (0..=self.below(3)).map(|_| self.call(input_types)).collect();
                Plan::Aggregate(input, groups, calls)
            }
        }
    }

    fn top_k(&mut self, input: usize, types: &[DataType]) -> Plan {
        let direction = |choices: &mut Choices| Order { descending: choices.chance(2), nulls_first: choices.chance(2) };
        let key = self.columns(types, 3).into_iter().map(|column| (column, direction(self))).collect();
        // The tables hold a handful of rows, some of them twice.
        let limit = if self.chance(6) { None } else { Some(self.below(5) as u64) };
        let offset = if self.chance(2) { self.below(4) as u64 } else { 0 };
        Plan::TopK { input, key, offset, limit }
    }

    fn join(&mut self, left: usize, all: &[Vec<DataType>]) -> Plan {
        let right = self.below(all.len());
        // Pairs of pairs of pairs would be more work than they show.
        if all[left].len() + all[right].len() > 14 {
            return Plan::Distinct(left);
        }
        let (mut left_key, mut right_key) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let column = self.below(all[left].len());
            let same = |&other: &usize| all[right][other] == all[left][column] && !right_key.contains(&other);
            let partners: Vec<usize> = (0..all[right].len()).filter(same).collect();
            if !partners.is_empty() && !left_key.contains(&column) && !self.chance(4) {
                left_key.push(column);
                right_key.push(self.pick(&partners));
            }
        }
        let pair = [all[left].as_slice(), &all[right]].concat();
        let when = (!pair.is_empty() && self.chance(3)).then(|| self.condition(&pair));
        Plan::Join { left, right, left_key, right_key, nulls: self.chance(3), when }
    }

    /// A valid change of the tables: inserts, deletes of rows that are there, and updates.
    pub(crate) fn commit(&mut self, tables: &mut [ZSet]) -> Vec<(TableId, Delta)> {
        let mut changes: Vec<Vec<(Vec<Value>, i64)>> = vec![Vec::new(); tables.len()];
        for _ in 0..=self.below(4) {
            let table = self.below(tables.len());
            let full = tables[table].len() >= 6;
            if !tables[table].is_empty() && (full || self.chance(2)) {
                let at = self.below(tables[table].len());
                let (row, &weight) = tables[table].iter().nth(at).unwrap();
                // All of a row's copies, or one.
                let row = row.clone();
                let taken = if self.chance(2) { weight } else { 1 };
                add(&mut tables[table], row.clone(), -taken);
                changes[table].push((row, -taken));
            }
            if !full || self.chance(2) {
                let row = self.row(TABLES[table]);
                let weight = if self.chance(4) { 2 } else { 1 };
                add(&mut tables[table], row.clone(), weight);
                changes[table].push((row, weight));
            }
        }
        let changed = changes.iter().enumerate().filter(|(_, rows)| !rows.is_empty());
        changed.map(|(table, rows)| (TableId(table as u32), delta(TABLES[table], rows))).collect()
    }
}

pub(crate) fn choices(length: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), length)
}
