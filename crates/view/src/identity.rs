//! The identity of a node: a canonical encoding of what it computes.
//!
//! An [`Identity`] is the list of the operators below and including a node, in the order in which a walk from the node first
//! completes them (inputs left to right), each with its parameters and the positions of its inputs in this list. A shared
//! subplan is written once, so an identity is no longer than the plan, however often the plan uses itself. Two nodes have
//! equal identities if and only if they compute the same function of the same tables: it is an encoding and not a hash, so
//! there are no collisions to think about. Types are part of it.
//!
//! Within one graph the pair (operator, inputs) decides already, because inputs are shared nodes; `graph.rs` uses that. The
//! full identity is what is persisted, to find an operator's state again when the database is opened.
//!
//! The encoding never changes silently: [`VERSION`] is its first byte. Numbers are little-endian base 128 (LEB128), byte
//! strings are preceded by their length.

use std::fmt;

use monostable_types::DataType;

/// Raised when the encoding or the meaning of an operator changes: old state then no longer matches and is built again.
pub const VERSION: u8 = 1;

/// A canonical encoding of what a node computes; equal bytes if and only if the same function of the same tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Vec<u8>);

impl Identity {
    /// The bytes, to be persisted.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// An identity that was persisted. Bytes that are not an identity match no node.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Identity {
        Identity(bytes.into())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} bytes)", self.0.len())
    }
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends a byte string with its length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a type.
pub fn put_type(out: &mut Vec<u8>, data_type: DataType) {
    out.extend_from_slice(&data_type.code());
}
