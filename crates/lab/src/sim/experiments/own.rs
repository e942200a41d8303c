//! Stub.
use super::Lab;
impl Lab<'_> {
    pub(in crate::sim) fn cold_start(&mut self) {}
    pub(in crate::sim) fn overload(&mut self) {}
}
