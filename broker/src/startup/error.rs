//! Why a broker doesn't start.

use claviger_client::cli::Failure;
use claviger_store::slot::SlotError;
use claviger_store::{DataDirError, StoreError};

use crate::admin_api::{FaceError, SocketError};
use crate::config::ConfigError;
use crate::net::listener::BindError;

/// Why a broker doesn't start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address is taken, or can't be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin socket is taken, or can't be had.
    #[error(transparent)]
    AdminSocket(#[from] SocketError),
    /// The certificate that operators know the broker by.
    #[error(transparent)]
    AdminFace(#[from] FaceError),
    /// The policy certificate of a domain that is to be got from home.
    #[error("a domain can't be got from home: {}", .0.message())]
    Pinned(Failure),
    /// A socket or thread of ours.
    #[error("a socket or thread can't be set up: {0}")]
    Socket(std::io::Error),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl StartError {
    /// The exit status: 2 configuration, 5 another broker has the data directory, 7 the root key can't be had, 1 anything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Pinned(_) => 2,
            Self::DataDir(DataDirError::InUse { .. }) => 5,
            // Where every slot is one of files.
            Self::DataDir(DataDirError::Slot(
                SlotError::WrongKey { .. }
                | SlotError::KeyFileMode { .. }
                | SlotError::KeyFileKind { .. }
                | SlotError::KeyFileSize { .. },
            )) => 7,
            _ => 1,
        }
    }
}
