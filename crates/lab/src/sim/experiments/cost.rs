//! Stub.
use super::Lab;
impl Lab<'_> {
    pub(in crate::sim) fn cost(&mut self) {}
}
