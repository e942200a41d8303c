//! Scalar expressions: how operators compute values from rows, a column at a time.
//!
//! [`Expression`] is the seam to SQL: the query layer implements it with its own evaluator, and this crate never sees more
//! of an expression than its result and its identity. The built-in ones ([`Column`], [`Literal`], [`Function`],
//! [`Compare`], [`IsNotNull`], [`And`]) are enough to build views in Rust without SQL, and aggregates use some of them.
//!
//! What an implementation promises: the result depends on the rows alone (no clock, no randomness, no state), it has one
//! value per row and the declared type, and two expressions with equal identities compute the same function. State that
//! was persisted under an identity is trusted after a restart, so an expression that changes its meaning must change its
//! identity.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use monostable_types::{DataType, RowCodec, Value, values_to_array};

use crate::identity;
use crate::predicate::Conjunct;

/// The value of an expression is undefined for some row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// The SQLSTATE, for example 22012 for a division by zero.
    pub sqlstate: &'static str,
    /// What happened.
    pub message: String,
}

/// A deterministic function of a row. See the module's documentation for what an implementation promises.
pub trait Expression: Send + Sync + fmt::Debug {
    /// The value for every row: an array of the declared type, as long as the batch.
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError>;

    /// The type of the values.
    fn data_type(&self) -> DataType;

    /// Appends the canonical encoding of what is computed: equal bytes if and only if the same function.
    fn identity(&self, out: &mut Vec<u8>);

    /// The input column that this expression merely repeats, if it does.
    fn as_column(&self) -> Option<usize> {
        None
    }

    /// The value that this expression is for every row, if it is a constant.
    fn as_literal(&self) -> Option<&Value> {
        None
    }

    /// The condition as a conjunction of tests on encoded rows, if it is one: it is true exactly for the rows that pass them
    /// all. `None` has it evaluated.
    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        None
    }
}

/// A shared expression.
pub type Expr = Arc<dyn Expression>;

/// A column of the input.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    index: usize,
    data_type: DataType,
}

impl Column {
    /// The column at `index`, which has type `data_type`.
    pub fn at(index: usize, data_type: DataType) -> Expr {
        Arc::new(Column { index, data_type })
    }
}

impl Expression for Column {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        match rows.columns().get(self.index) {
            Some(column) => Ok(Arc::clone(column)),
            None => Err(internal(format!("there is no column {}", self.index))),
        }
    }

    fn data_type(&self) -> DataType {
        self.data_type
    }

    fn identity(&self, out: &mut Vec<u8>) {
        identity::put_bytes(out, b"column");
        identity::put_number(out, self.index as u64);
        identity::put_type(out, self.data_type);
    }

    fn as_column(&self) -> Option<usize> {
        Some(self.index)
    }

    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        let is_true = Conjunct::compare(self.index, self.data_type, Comparison::Equal, &Value::Boolean(true));
        is_true.map(|test| vec![test])
    }
}

/// A constant.
#[derive(Debug, Clone)]
pub struct Literal {
    value: Value,
    data_type: DataType,
}

#[expect(clippy::new_ret_no_self, reason = "an expression is only ever used behind an Arc")]
impl Literal {
    /// The same value for every row. It must be NULL or of type `data_type`.
    pub fn new(value: Value, data_type: DataType) -> Result<Expr, monostable_types::Error> {
        values_to_array(data_type, std::iter::once(&value))?;
        Ok(Arc::new(Literal { value, data_type }))
    }
}

impl Expression for Literal {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let values = std::iter::repeat_n(&self.value, rows.num_rows());
        values_to_array(self.data_type, values).map_err(|error| internal(error.to_string()))
    }

    fn data_type(&self) -> DataType {
        self.data_type
    }

    fn identity(&self, out: &mut Vec<u8>) {
        let mut encoded = Vec::new();
        // The constructor has already converted this very value; a failure would only make the identity coarser, and the
        // text of the value then keeps it exact.
        if RowCodec::new(&[self.data_type]).encode_values(std::slice::from_ref(&self.value), &mut encoded).is_err() {
            encoded = format!("{:?}", self.value).into_bytes();
        }
        identity::put_bytes(out, b"literal");
        identity::put_type(out, self.data_type);
        identity::put_bytes(out, &encoded);
    }

    fn as_literal(&self) -> Option<&Value> {
        Some(&self.value)
    }
}

/// What a [`Function`] computes from its arguments' columns.
pub type ColumnFunction = dyn Fn(&[ArrayRef]) -> Result<ArrayRef, ExpressionError> + Send + Sync;

/// A Rust function. Its name is its identity: give another name to a function that computes something else.
#[derive(Clone)]
pub struct Function {
    name: String,
    arguments: Vec<Expr>,
    data_type: DataType,
    function: Arc<ColumnFunction>,
}

#[expect(clippy::new_ret_no_self, reason = "an expression is only ever used behind an Arc")]
impl Function {
    /// A function of the columns that `arguments` evaluate to.
    pub fn new(
        name: impl Into<String>,
        arguments: Vec<Expr>,
        data_type: DataType,
        function: impl Fn(&[ArrayRef]) -> Result<ArrayRef, ExpressionError> + Send + Sync + 'static,
    ) -> Expr {
        Arc::new(Function { name: name.into(), arguments, data_type, function: Arc::new(function) })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.name, self.arguments)
    }
}

impl Expression for Function {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let arguments: Result<Vec<ArrayRef>, _> =
            self.arguments.iter().map(|argument| argument.evaluate(rows)).collect();
        (self.function)(&arguments?)
    }

    fn data_type(&self) -> DataType {
        self.data_type
    }

    fn identity(&self, out: &mut Vec<u8>) {
        identity::put_bytes(out, b"function");
        identity::put_bytes(out, self.name.as_bytes());
        identity::put_type(out, self.data_type);
        identity::put_number(out, self.arguments.len() as u64);
        self.arguments.iter().for_each(|argument| argument.identity(out));
    }
}

/// How a [`Compare`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// Whether two values in this order compare so.
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Comparison {
        match self {
            Comparison::Equal | Comparison::NotEqual => self,
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        }
    }
}

/// A comparison of two values of one type, in the order of the row codec; NULL if either is NULL.
#[derive(Debug, Clone)]
pub struct Compare {
    comparison: Comparison,
    left: Expr,
    right: Expr,
}

#[expect(clippy::new_ret_no_self, reason = "an expression is only ever used behind an Arc")]
impl Compare {
    /// `left comparison right`.
    pub fn new(comparison: Comparison, left: Expr, right: Expr) -> Expr {
        Arc::new(Compare { comparison, left, right })
    }
}

impl Expression for Compare {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let left = self.left.evaluate(rows)?;
        let right = self.right.evaluate(rows)?;
        // Encoded values compare like the values, for every type, so one comparison of bytes serves them all.
        let codec = RowCodec::new(&[self.left.data_type()]);
        let encode = |array: &ArrayRef| {
            let mut out = monostable_types::Rows::default();
            codec.encode_columns(std::slice::from_ref(array), &mut out).map_err(|error| internal(error.to_string()))?;
            Ok::<_, ExpressionError>(out)
        };
        let (left_rows, right_rows) = (encode(&left)?, encode(&right)?);
        let holds = |index: usize| self.comparison.holds(left_rows.row(index).cmp(right_rows.row(index)));
        let nulls = arrow_buffer::NullBuffer::union(left.logical_nulls().as_ref(), right.logical_nulls().as_ref());
        let values = BooleanBuffer::collect_bool(rows.num_rows(), holds);
        Ok(Arc::new(BooleanArray::new(values, nulls)))
    }

    fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    fn identity(&self, out: &mut Vec<u8>) {
        identity::put_bytes(out, b"compare");
        identity::put_number(out, self.comparison as u64);
        self.left.identity(out);
        self.right.identity(out);
    }

    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        let (column, value, comparison) = match (self.left.as_column(), self.right.as_literal()) {
            (Some(column), Some(value)) => (column, value, self.comparison),
            _ => (self.right.as_column()?, self.left.as_literal()?, self.comparison.mirrored()),
        };
        Some(vec![Conjunct::compare(column, self.left.data_type(), comparison, value)?])
    }
}

/// Whether a value is not NULL; never NULL itself.
#[derive(Debug, Clone)]
pub struct IsNotNull {
    input: Expr,
}

#[expect(clippy::new_ret_no_self, reason = "an expression is only ever used behind an Arc")]
impl IsNotNull {
    /// `input IS NOT NULL`.
    pub fn new(input: Expr) -> Expr {
        Arc::new(IsNotNull { input })
    }
}

impl Expression for IsNotNull {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let input = self.input.evaluate(rows)?;
        let values = match input.logical_nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(rows.num_rows()),
        };
        Ok(Arc::new(BooleanArray::new(values, None)))
    }

    fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    fn identity(&self, out: &mut Vec<u8>) {
        identity::put_bytes(out, b"is not null");
        self.input.identity(out);
    }

    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        Some(vec![Conjunct::NotNull { column: self.input.as_column()? }])
    }
}

/// Whether both of two conditions are true. NULL counts as false here: this is the `AND` of filters, not SQL's.
#[derive(Debug, Clone)]
pub struct And {
    left: Expr,
    right: Expr,
}

#[expect(clippy::new_ret_no_self, reason = "an expression is only ever used behind an Arc")]
impl And {
    /// True where both are true, else false.
    pub fn new(left: Expr, right: Expr) -> Expr {
        Arc::new(And { left, right })
    }
}

impl Expression for And {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let left = truth(&self.left.evaluate(rows)?)?;
        let right = truth(&self.right.evaluate(rows)?)?;
        Ok(Arc::new(BooleanArray::new(left.values() & right.values(), None)))
    }

    fn data_type(&self) -> DataType {
        DataType::Boolean
    }

    fn identity(&self, out: &mut Vec<u8>) {
        identity::put_bytes(out, b"and");
        self.left.identity(out);
        self.right.identity(out);
    }

    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        let mut all = self.left.conjuncts()?;
        all.extend(self.right.conjuncts()?);
        Some(all)
    }
}

/// A condition as a filter sees it: NULL is false.
pub(crate) fn truth(condition: &ArrayRef) -> Result<BooleanArray, ExpressionError> {
    let Some(condition) = condition.as_boolean_opt() else {
        return Err(internal(format!("a condition has type {}", condition.data_type())));
    };
    Ok(match condition.nulls() {
        None => condition.clone(),
        Some(nulls) => BooleanArray::new(condition.values() & nulls.inner(), None),
    })
}

fn internal(message: String) -> ExpressionError {
    ExpressionError { sqlstate: crate::failure::INTERNAL, message }
}
