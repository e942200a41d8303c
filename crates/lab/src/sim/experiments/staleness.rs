//! Stub.
use super::Lab;
impl Lab<'_> {
    pub(in crate::sim) fn staleness(&mut self) {}
}
