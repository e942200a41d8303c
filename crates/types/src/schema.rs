//! The names and types of the columns of a row.
//!
//! A [`Schema`] is an immutable value behind an `Arc`: cloning it costs a reference count, and its Arrow form is built once.
//! Every Arrow field is nullable, whatever the SQL column says: `NOT NULL` is a constraint that the commit checks, and
//! an intermediate result (the padded side of an outer join) may hold a NULL where the table may not. Names may repeat,
//! as they may in the result of a SQL query; tables and views refuse that themselves.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};

use crate::DataType;

/// One column: its name, its type, and whether SQL lets it be NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    /// The name, exactly as it is stored (SQL has folded it by then).
    pub name: String,
    /// The type of the values.
    pub data_type: DataType,
    /// Whether NULL is allowed.
    pub nullable: bool,
}

impl Column {
    /// A column that may be NULL.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Column {
        Column { name: name.into(), data_type, nullable: true }
    }

    /// The same column, but never NULL.
    #[must_use]
    pub fn not_null(self) -> Column {
        Column { nullable: false, ..self }
    }
}

/// The columns of a row, in order.
#[derive(Clone)]
pub struct Schema {
    shape: Arc<Shape>,
}

struct Shape {
    columns: Box<[Column]>,
    arrow: SchemaRef,
}

impl Schema {
    /// A schema of the given columns.
    pub fn new(columns: impl Into<Box<[Column]>>) -> Schema {
        let columns = columns.into();
        let field = |column: &Column| Field::new(&column.name, column.data_type.to_arrow(), true);
        let arrow = Arc::new(ArrowSchema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Schema { shape: Arc::new(Shape { columns, arrow }) }
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.shape.columns
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.columns.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.columns.is_empty()
    }

    /// The types of the columns, in order: what a row codec is made of.
    #[must_use]
    pub fn types(&self) -> Vec<DataType> {
        self.columns().iter().map(|column| column.data_type).collect()
    }

    /// The position of the first column with that name.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }

    /// The schema of the given columns of this one, in the given order; a column may be named more than once.
    ///
    /// # Panics
    /// If an index is not that of a column: indexes come from our own plans.
    #[must_use]
    pub fn project(&self, indices: &[usize]) -> Schema {
        Schema::new(indices.iter().map(|&index| self.columns()[index].clone()).collect::<Vec<_>>())
    }

    /// The Arrow schema of the same columns, every field nullable.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        Arc::clone(&self.shape.arrow)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Schema) -> bool {
        Arc::ptr_eq(&self.shape, &other.shape) || self.columns() == other.columns()
    }
}

impl Eq for Schema {}

impl Hash for Schema {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.columns().hash(state);
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.columns()).finish()
    }
}

impl FromIterator<Column> for Schema {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Schema {
        Schema::new(columns.into_iter().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Schema {
        Schema::new(vec![
            Column::new("id", DataType::BigInt).not_null(),
            Column::new("customer", DataType::Text),
            Column::new("cents", DataType::Integer),
        ])
    }

    #[test]
    fn columns_are_found_by_name_and_projected_by_position() {
        let schema = orders();
        assert_eq!((schema.len(), schema.is_empty()), (3, false));
        assert_eq!((schema.index_of("cents"), schema.index_of("CENTS")), (Some(2), None));
        let projected = schema.project(&[2, 0, 0]);
        assert_eq!(projected.types(), [DataType::Integer, DataType::BigInt, DataType::BigInt]);
        assert!(!projected.columns()[1].nullable);
    }

    #[test]
    fn every_arrow_field_is_nullable_and_the_arrow_schema_is_built_once() {
        let schema = orders();
        assert!(schema.arrow().fields().iter().all(|field| field.is_nullable()));
        assert!(Arc::ptr_eq(&schema.arrow(), &schema.clone().arrow()));
        assert_eq!(schema, orders());
        assert_ne!(schema, schema.project(&[0, 1]));
    }
}
