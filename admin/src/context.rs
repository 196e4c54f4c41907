//! What every command is given.

use std::path::PathBuf;

use claviger_client::cli::{Failure, OutputMode, Report, Spinner};

use crate::api::Api;

/// How results are told, and which broker is meant.
pub(crate) struct Context {
    mode: OutputMode,
    socket: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(mode: OutputMode, socket: Option<PathBuf>) -> Self {
        Self { mode, socket }
    }

    /// Tells a result.
    pub(crate) fn tell(&self, report: &impl Report) -> Result<(), Failure> {
        self.mode.tell(report)
    }

    /// A sign that this is under way, until it is dropped.
    pub(crate) fn spinner(&self, what: &str) -> Spinner {
        Spinner::start(self.mode, what)
    }

    /// The broker's admin API.
    pub(crate) fn api(&self) -> Result<Api<'_>, Failure> {
        match &self.socket {
            Some(socket) => Ok(Api::new(socket)),
            None => Err(Failure::new(
                "unreachable",
                8,
                "no admin socket is named, so no broker can be asked",
                "name the one that the broker was given: --admin-socket PATH, or CLAVIGER_ADMIN_SOCKET",
            )),
        }
    }
}
