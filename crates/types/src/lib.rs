//! The vocabulary of Monostable: time, weights, types, values, and the one encoding of rows.
//!
//! Everything above this crate speaks in these words, and nothing here reads a disk, a clock or SQL.
//!
//! - [`Epoch`] (logical commit time), [`Lsn`] (byte position in the log) and [`Weight`] (checked multiplicity of a row).
//! - [`DataType`], [`Column`] and [`Schema`]: the SQL types and their one-to-one Arrow counterparts.
//! - [`Value`]: a single SQL value, with PostgreSQL's text form both ways, and the order that `ORDER BY` uses.
//! - [`RowCodec`] and [`Rows`]: rows as bytes whose `memcmp` order is SQL's order; the format is specified in [`codec`].
//!
//! Not here: casts between types and expressions (the SQL layer has one evaluator for those), and anything that needs a
//! time zone other than UTC.
#![forbid(unsafe_code)]

mod civil;
pub mod codec;
mod data_type;
mod epoch;
mod error;
mod interner;
#[cfg(test)]
mod samples;
mod schema;
mod value;
mod weight;

pub use civil::Civil;
pub use codec::{CodecError, Number, Order, Picker, RowCodec, Rows, is_null_piece, number, prefix_successor};
pub use data_type::{DataType, NUMERIC_PRECISION_MAX};
pub use epoch::{Epoch, Lsn};
pub use error::{Error, Result};
pub use interner::Interner;
pub use schema::{Column, Schema};
pub use value::{Value, values_to_array};
pub use weight::{Weight, WeightOverflow};
