//! AND and OR that evaluate an operand only for the rows that the operands before it leave open.
//!
//! For AND, a row is settled once an operand is false; for OR, once one is true. An operand that can fail is evaluated on the
//! open rows alone; one that cannot fail is evaluated on all rows, which is cheaper than picking them out.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Schema};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

/// AND or OR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Connective {
    And,
    Or,
}

/// A chain of operands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Logical {
    connective: Connective,
    operands: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether evaluating the operand can fail.
    fallible: Vec<bool>,
}

impl Logical {
    pub(crate) fn new(connective: Connective, operands: Vec<Arc<dyn PhysicalExpr>>, fallible: Vec<bool>) -> Logical {
        Logical { connective, operands, fallible }
    }
}

/// Which rows are known to be true and known to be false; the others are NULL.
struct Truth {
    is_true: BooleanBuffer,
    is_false: BooleanBuffer,
}

impl Truth {
    fn of(array: &BooleanArray) -> Truth {
        let values = array.values();
        match array.nulls() {
            None => Truth { is_true: values.clone(), is_false: !values },
            Some(nulls) => Truth { is_true: values & nulls.inner(), is_false: &!values & nulls.inner() },
        }
    }

    fn and(&self, other: &Truth) -> Truth {
        Truth { is_true: &self.is_true & &other.is_true, is_false: &self.is_false | &other.is_false }
    }

    fn or(&self, other: &Truth) -> Truth {
        Truth { is_true: &self.is_true | &other.is_true, is_false: &self.is_false & &other.is_false }
    }

    fn into_array(self) -> BooleanArray {
        let known = &self.is_true | &self.is_false;
        BooleanArray::new(self.is_true, Some(NullBuffer::new(known)))
    }
}

impl fmt::Display for Logical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.connective {
            Connective::And => " AND ",
            Connective::Or => " OR ",
        };
        f.write_str("(")?;
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(word)?;
            }
            write!(f, "{operand}")?;
        }
        f.write_str(")")
    }
}

impl PhysicalExpr for Logical {
    fn data_type(&self, _input_schema: &Schema) -> datafusion_common::Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _input_schema: &Schema) -> datafusion_common::Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> datafusion_common::Result<ColumnarValue> {
        let rows = batch.num_rows();
        let neutral = match self.connective {
            Connective::And => {
                Truth { is_true: BooleanBuffer::new_set(rows), is_false: BooleanBuffer::new_unset(rows) }
            }
            Connective::Or => Truth { is_true: BooleanBuffer::new_unset(rows), is_false: BooleanBuffer::new_set(rows) },
        };
        let mut truth = neutral;
        for (operand, fallible) in self.operands.iter().zip(&self.fallible) {
            let open = match self.connective {
                Connective::And => !&truth.is_false,
                Connective::Or => !&truth.is_true,
            };
            let open_rows = open.count_set_bits();
            if open_rows == 0 {
                break;
            }
            let value = if *fallible && open_rows < rows {
                operand.evaluate_selection(batch, &BooleanArray::new(open, None))?
            } else {
                operand.evaluate(batch)?
            };
            let array = value.into_array(rows)?;
            let Some(array) = array.as_boolean_opt() else {
                return datafusion_common::internal_err!("{operand} is not boolean");
            };
            truth = match self.connective {
                Connective::And => truth.and(&Truth::of(array)),
                Connective::Or => truth.or(&Truth::of(array)),
            };
        }
        Ok(ColumnarValue::Array(Arc::new(truth.into_array())))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.operands.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> datafusion_common::Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Logical::new(self.connective, children, self.fallible.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
