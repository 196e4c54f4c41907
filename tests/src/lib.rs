//! Whole-system tests: the real programs as processes, over real sockets.
//!
//! This library is the harness; the tests are in `tests/system`, one module per theme. A test sees the system as
//! its users do: through the three command lines ([`programs`], [`broker`], [`fleet`]), or through bytes on a
//! socket that it made itself ([`channel`], [`message`], [`certificate`]), never through the broker's types.
//!
//! Components from outside (cryptsetup, strace, openssl, python3) are used where they are installed; see
//! [`tools::have`].

#![allow(clippy::missing_panics_doc, reason = "a test fails by panicking, and so does what it is made of")]

pub mod administration;
pub mod admission;
pub mod broker;
pub mod certificate;
pub mod channel;
pub mod elsewhere;
pub mod fleet;
pub mod kds;
pub mod message;
pub mod programs;
pub mod proving;
pub mod server;
#[cfg(feature = "fakes")]
pub mod snp_platform;
pub mod stock;
pub mod swtpm;
pub mod tools;
