//! Which arguments a function takes, and what it gives for them.

use monostable_types::DataType;

use super::cast::is_implicit;
use crate::error::{Error, Result};

/// A parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Param {
    /// Exactly this type, or one that is implicitly cast to it.
    Is(DataType),
    /// Numeric with any precision and scale; integers are not taken.
    Numeric,
    /// Any type but boolean, which is turned into text.
    AsText,
}

/// A result's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// This type.
    Is(DataType),
    /// `numeric(38, s)` with the first argument's scale.
    SameScale,
    /// `numeric(38, 0)`.
    Whole,
}

/// One way to call a function. The last `optional` parameters may be left out; the last one repeats if `variadic`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overload {
    pub(crate) params: &'static [Param],
    pub(crate) optional: usize,
    pub(crate) variadic: bool,
    pub(crate) gives: Gives,
}

/// A call, with the types that its arguments are cast to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) arguments: Vec<DataType>,
    pub(crate) result: DataType,
}

/// The overload that takes these arguments: without casts if there is one, else the first that takes them with implicit casts.
pub(crate) fn resolve(name: &str, overloads: &[Overload], arguments: &[Option<DataType>]) -> Result<Resolved> {
    let fits = |exact: bool| {
        overloads.iter().find_map(|overload| overload.take(arguments, exact).map(|types| (overload, types)))
    };
    let Some((overload, types)) = fits(true).or_else(|| fits(false)) else {
        return Err(no_such_call(name, arguments));
    };
    let result = match (overload.gives, types.first()) {
        (Gives::Is(data_type), _) => data_type,
        (Gives::SameScale, Some(DataType::Numeric { scale, .. })) => DataType::Numeric { precision: 38, scale: *scale },
        (Gives::SameScale | Gives::Whole, _) => DataType::Numeric { precision: 38, scale: 0 },
    };
    Ok(Resolved { arguments: types, result })
}

pub(crate) fn no_such_call(name: &str, arguments: &[Option<DataType>]) -> Error {
    let types: Vec<String> =
        arguments.iter().map(|data_type| data_type.map_or_else(|| "unknown".to_string(), DataType::sql_name)).collect();
    Error::UndefinedOperator(format!("function {name}({}) does not exist", types.join(", ")))
}

impl Overload {
    fn take(&self, arguments: &[Option<DataType>], exact: bool) -> Option<Vec<DataType>> {
        let least = self.params.len() - self.optional;
        if arguments.len() < least || (arguments.len() > self.params.len() && !self.variadic) {
            return None;
        }
        let last = self.params.last().copied();
        arguments
            .iter()
            .enumerate()
            .map(|(index, argument)| self.params.get(index).copied().or(last)?.take(*argument, exact))
            .collect()
    }
}

impl Param {
    fn take(self, argument: Option<DataType>, exact: bool) -> Option<DataType> {
        match (self, argument) {
            (Param::Is(wanted), Some(found)) => {
                (found == wanted || (!exact && is_implicit(found, wanted))).then_some(wanted)
            }
            (Param::Is(wanted), None) => Some(wanted),
            (Param::Numeric, Some(found @ DataType::Numeric { .. })) => Some(found),
            (Param::Numeric, _) => None,
            // PostgreSQL shows a boolean as one letter here, and converts it to a word elsewhere.
            (Param::AsText, Some(DataType::Boolean)) => None,
            (Param::AsText, _) => Some(DataType::Text),
        }
    }
}
