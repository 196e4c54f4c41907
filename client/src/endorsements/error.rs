//! Why there is no endorsement.

use std::time::Duration;

/// Why a certificate isn't to be had. Whoever asked can't be verified now; nobody else is held up by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndorsementError {
    /// The service doesn't know such a chip at such a TCB.
    #[error("AMD's key distribution service knows no such chip at this TCB")]
    Missing,
    /// The service isn't asked, and no folder has it.
    #[error("no folder has this chip's certificate, and no key distribution service is configured")]
    Offline,
    /// The service doesn't answer, or not with a certificate.
    #[error("the key distribution service can't be used now ({why}); it is asked again in {} s", retry.as_secs().max(1))]
    Unavailable {
        /// What it answered, or why it didn't.
        why: String,
        /// Until it is asked again.
        retry: Duration,
    },
    /// Who asks has had as many fetched as it may for now.
    #[error("too many unknown chips were asked for from here; try again later")]
    OverBudget,
    /// More is being fetched than may be at once.
    #[error("too many certificates are being fetched; try again in a moment")]
    Busy,
    /// It took too long for whoever asked; it may be there at the next try.
    #[error("the certificate didn't come in time")]
    Late,
}

impl EndorsementError {
    /// A word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Offline => "offline",
            Self::Unavailable { .. } => "unavailable",
            Self::OverBudget => "over-budget",
            Self::Busy => "busy",
            Self::Late => "late",
        }
    }

    /// What the operator does next, as a sentence without its full stop.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Missing => {
                "compare the chip and TCB with the host's; a new chip's certificate may come late, then put it into a \
                 folder of vcek_dirs"
            }
            Self::Offline => {
                "put the certificate into a folder of vcek_dirs, set kds_url, or have the host give it with the report"
            }
            Self::Unavailable { .. } => {
                "look at the way to kds_url; until it is back, a folder of vcek_dirs may hold the certificate"
            }
            Self::OverBudget => {
                "if the machines are known, put their certificates into a folder of vcek_dirs, or raise \
                 certificate_fetches"
            }
            Self::Busy | Self::Late => {
                "nothing, if the machine tries again; if it stays, look at the way to kds_url"
            }
        }
    }
}
