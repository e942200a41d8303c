//! The documents whose Rust is compiled and run as doctests of this crate. It holds nothing else, and exists in tests only.

/// The first example, and what it promises.
#[doc = include_str!("../../../README.md")]
pub struct Readme;

/// From cache-aside code to a view.
#[doc = include_str!("../../../docs/embedding.md")]
pub struct Embedding;
