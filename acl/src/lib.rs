//! Who may do what: a casbin model, presets, and decisions that yield a [`Permit`].

mod action;
mod error;
mod permit;
mod preset;

pub use action::Action;
pub use error::AclError;
pub use permit::{Denied, Permit};
pub use preset::Preset;
