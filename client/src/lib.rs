//! The agent's side of Claviger, as a library: prove what this machine runs, then store and retrieve the
//! secrets that its domain grants it.
//!
//! ```no_run
//! use claviger_client::{Channel, Options, state::StateDir};
//! use claviger_proto::{ResourceName, key_service::Retrieve};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = StateDir::new("/var/lib/claviger").identity()?;
//! let mut channel = Channel::connect(&"10.0.0.7:8120".parse()?, &identity, &Options::default()).await?;
//! let name = ResourceName::parse_in(identity.domain(), "storage-disk-key")?;
//! let entry = channel.retrieve(Retrieve { name, version: None }).await?;
//! assert_eq!(entry.blob.expose().len(), 64);
//! # Ok(()) }
//! ```
//!
//! - [`enroll()`]: from evidence to an [`Identity`]; [`evidence`] says where evidence comes from.
//! - [`renew()`]: the next certificate, before the last one ends.
//! - [`pull()`]: how a broker elsewhere gets a domain from its home.
//! - [`Channel`]: the mutually authenticated channel, many requests on one connection.
//! - [`administration`]: the way to a broker's admin API over the network.
//! - [`trace`]: what is negotiated, verified and decided on the way to a broker, step by step.
//! - [`certifier`]: stock Certifier programs in the broker's place.
//! - [`cryptstore`]: what a machine keeps: its identity, retrieved secrets, keys of its own.
//! - [`state`]: the directory in which it lies sealed.
//! - [`endorsements`]: certificates of chips' keys, for who verifies evidence.
//! - [`cli`]: what the command lines of this project share.
//!
//! Every wait has a limit ([`Timeouts`]), and every [`Error`] says whose fault it is and what to do next.

mod address;
pub mod administration;
mod admission;
pub mod certifier;
mod channel;
pub mod cli;
pub mod cryptstore;
pub mod endorsements;
mod enroll;
mod error;
pub mod evidence;
pub mod files;
mod identity;
mod proving;
mod pull;
mod renew;
mod requests;
pub mod state;
mod ticket;
mod timeouts;
mod tls;
pub mod trace;
mod wire;

pub use address::{Address, NotAnAddress};
pub use channel::{Channel, Connector, Options};
pub use enroll::{Admitted, Enrollment, enroll};
pub use error::{BrokerFault, Error, Phase, ProtocolFault, Service};
pub use evidence::Collector;
pub use identity::{Identity, diagnose};
pub use proving::{PrincipalKey, Prover};
pub use pull::{BrokerLeaf, Pull, Pulled, pull};
pub use renew::{Renewal, RenewedKey, due_from, renew};
pub use ticket::{LaunchTicket, TicketError};
pub use timeouts::Timeouts;
