//! The key broker: the actors and what surrounds them.
//!
//! [`config`] says what to run, [`Broker::start`] binds and starts it, [`Broker::drain`] ends it. A request
//! goes `net` → `actors::router` → ACL → store → `actors::audit` → back; see `ARCHITECTURE.md`.

pub mod actors;
pub mod admin_api;
mod bootstrap;
pub mod config;
pub mod domain;
pub mod era;
pub mod lifecycle;
pub mod logging;
pub mod net;
pub mod ops;
pub mod quickstart;
pub mod request_id;
pub mod runtime;
mod startup;
pub mod storage;

pub use startup::{Addresses, Broker, StartError};
