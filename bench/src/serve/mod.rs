//! The servers that are measured. Each runs in a process of its own, a child of `start`.

pub(crate) mod bare;
pub(crate) mod broker;
pub(crate) mod control;
