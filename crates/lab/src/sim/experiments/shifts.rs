//! Stub.
use super::Lab;
impl Lab<'_> {
    pub(in crate::sim) fn retry_storm(&mut self) {}
    pub(in crate::sim) fn shifts(&mut self) {}
}
