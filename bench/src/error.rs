//! What can go wrong while measuring.

use claviger_attest::{IssueError, KeyError};
use claviger_broker::StartError;
use claviger_client::cli::Failure;
use claviger_proto::ParseError;
use claviger_store::engine::EngineError;
use claviger_store::{DataDirError, StoreError};

/// What can go wrong while measuring. No figure is given then: half of one would mislead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("a file, socket or thread of the bench failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server for {0} ended or answered otherwise than agreed; what it said is above")]
    Server(&'static str),
    #[error("what a server was told, or told, is not understood: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a request failed: {0}")]
    Client(#[from] Box<claviger_client::Error>),
    #[error("an answer is not understood: {0}")]
    Parse(#[from] ParseError),
    #[error("a request was answered otherwise than it should: {0}")]
    Answer(&'static str),
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the verifier of clients can't be set up: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("a key can't be made: {0}")]
    Key(#[from] KeyError),
    #[error("a certificate can't be made: {0}")]
    Issue(#[from] IssueError),
    #[error("the broker's data directory can't be made: {0}")]
    DataDir(#[from] DataDirError),
    #[error("the broker's store can't be made: {0}")]
    Store(#[from] StoreError),
    #[error("the engine failed: {0}")]
    Engine(#[from] EngineError),
    #[error("the broker doesn't start: {0}")]
    Start(#[from] StartError),
    #[error("the broker stopped: {0}")]
    Stopped(&'static str),
    #[error("the report that is measured isn't verified: {0}")]
    Evidence(&'static str),
    #[error("a thread of the load can't be scheduled as it should: {0:?}")]
    Scheduling(thread_priority::Error),
    #[error("the domain's access rules can't be made: {0}")]
    Acl(#[from] claviger_acl::AclError),
    #[error("the bench's own agent isn't accepted: {0}")]
    Peer(#[from] claviger_attest::CertificateError),
    #[error("a task or thread of the load panicked")]
    Panicked,
}

impl From<claviger_client::Error> for BenchError {
    fn from(error: claviger_client::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let next =
            "nothing is left behind; look at the cause and start again, with --dir on a disk with room";
        Self::new("bench", 1, error.to_string(), next)
    }
}
