//! A TPM 2.0: a quote of its registers, as tpm2-tools write one.

mod files;
mod tools;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use claviger_attest::{TpmQuote, tpm_package, tpm_qualifying_data};
use claviger_proto::ParseError;
use claviger_proto::key::read_certificate;
use claviger_proto::trust::EvidencePackage;

use super::EvidenceError;
use crate::files::{FileError, read_bounded};

/// The file with what the quote has to say, its qualifying data: 32 raw bytes.
pub const REQUEST: &str = "qualifying-data.bin";
/// The file with the quote, a `TPMS_ATTEST` (`tpm2_quote -m`).
pub const QUOTE: &str = "quote.bin";
/// The file with the signature, a `TPMT_SIGNATURE` (`tpm2_quote -s`).
pub const SIGNATURE: &str = "signature.bin";
/// The quote key's certificate: PEM or DER.
pub const CERTIFICATE: &str = "quote-cert.pem";
/// Which registers to quote, such as `sha256:0,2,7`.
pub const PCRS: &str = "pcrs";
/// Under which handle the TPM keeps the quote key, such as `0x81010002`.
pub const HANDLE: &str = "quote-key.handle";

/// Largest quote and largest signature, in bytes: both are below 700.
const MAX_PART: usize = 4 << 10;
const MAX_CERTIFICATE: usize = 16 << 10;

/// Where a machine's quotes come from. As text: a directory, or `tools=` and a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tpm {
    /// A directory in which the request is left, and somebody puts the quote.
    Files(PathBuf),
    /// The same directory; `tpm2_quote` is run with what is in it.
    Tools(PathBuf),
}

/// A quote, its signature, and the certificate of the key that made it (DER).
pub(super) struct Quoted {
    pub(super) quote: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) certificate: Vec<u8>,
}

impl Tpm {
    /// From its text after the kind; `None` where that is empty.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match (text, text.strip_prefix("tools=")) {
            ("", _) | (_, Some("")) => None,
            (_, Some(dir)) => Some(Self::Tools(dir.into())),
            (dir, None) => Some(Self::Files(dir.into())),
        }
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Files(dir) | Self::Tools(dir) => dir,
        }
    }

    /// Has the TPM quote its registers for a binding, and with it what the machine itself has to say. The quote is looked at
    /// only for being one, and of this binding: what it says is the broker's to judge.
    pub async fn collect(
        &self,
        binding: &[u8; 64],
        user_data: Option<&[u8]>,
    ) -> Result<EvidencePackage, EvidenceError> {
        let Quoted { quote, signature, certificate } =
            self.quote(&tpm_qualifying_data(binding, user_data)).await?;
        Ok(tpm_package(&quote, &signature, &certificate, user_data))
    }

    /// Has the TPM quote with this as qualifying data.
    pub(super) async fn quote(&self, asked: &[u8; 32]) -> Result<Quoted, Fault> {
        // First, since nobody waits for it.
        let certificate = certificate(self.dir())?;
        let (quote, signature) = match self {
            Self::Files(dir) => files::collect(dir, asked).await,
            Self::Tools(dir) => tools::collect(dir, asked).await,
        }?;
        Ok(Quoted { quote, signature, certificate })
    }

    /// The fault of a channel that ended while a quote was waited for.
    pub(super) fn given_up(&self) -> Option<Fault> {
        match self {
            Self::Files(dir) => Some(files::given_up(dir)),
            Self::Tools(_) => None,
        }
    }
}

fn certificate(dir: &Path) -> Result<Vec<u8>, Fault> {
    let path = dir.join(CERTIFICATE);
    let bytes = read_bounded(&path, MAX_CERTIFICATE)?;
    read_certificate(bytes.expose()).map_err(|cause| Fault::Certificate { path, cause })
}

/// What is wrong with a quote that has to say this.
fn check(quote: &[u8], asked: &[u8; 32]) -> Result<(), String> {
    match TpmQuote::parse(quote) {
        Err(error) => Err(error.to_string()),
        Ok(quote) if quote.extra_data() != asked => Err("it answers another request".to_owned()),
        Ok(_) => Ok(()),
    }
}

impl fmt::Display for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(dir) => write!(f, "{}", dir.display()),
            Self::Tools(dir) => write!(f, "tools={}", dir.display()),
        }
    }
}

/// Why there is no quote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A certificate that isn't one.
    #[error("{} can't be used: {cause}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: ParseError,
    },
    /// A file that says what to quote, and doesn't.
    #[error("{} can't be used: it holds {what}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// The program isn't there, or can't be run.
    #[error("tpm2_quote can't be run: {0}")]
    NoTools(std::io::Error),
    /// The program ended without a quote.
    #[error("tpm2_quote gave no quote ({status}){}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Tools {
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// The program didn't end.
    #[error("tpm2_quote didn't end within {0} seconds")]
    Stuck(u64),
    /// A quote that isn't one, or not of this request.
    #[error("the quote in {} can't be used: {what}", dir.display())]
    Quote {
        /// Where it is.
        dir: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A signature that stock certifiers don't know.
    #[error("a stock certifier takes quotes of RSA keys of 2048 bits only")]
    NotRsa,
    /// Nobody put a quote there.
    #[error("no quote for this request came into {} in time{}", dir.display(), if *another { ": the one there answers another request" } else { "" })]
    Late {
        /// The directory.
        dir: PathBuf,
        /// Whether there is a quote of something else.
        another: bool,
    },
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Fault {
    /// What to do next, as a sentence without its full stop.
    pub(super) fn next(&self) -> &'static str {
        match self {
            Self::Certificate { .. } => {
                "put the quote key's certificate there, as key-admin tpm certify made it (quote-cert.pem)"
            }
            Self::Setting { .. } => {
                "write what tpm2_quote needs: pcrs (sha256:0,2,7) and quote-key.handle (0x81010002, see tpm2_evictcontrol)"
            }
            Self::NoTools(_) => "install tpm2-tools, or take tpm:DIR and put the quote there",
            Self::Tools { .. } | Self::Stuck(_) => {
                "run tpm2_quote by hand: as who this runs, with the same TPM2TOOLS_TCTI, and the key's handle"
            }
            Self::Quote { .. } => {
                "have the TPM quote anew for this very request: its qualifying data is what is signed along (tpm2_quote -q)"
            }
            Self::NotRsa => "make the quote key with: tpm2_createak -G rsa -g sha256 -s rsassa",
            Self::Late { .. } => {
                "have a quote made for the request as soon as it is there; how long the broker waits is its limit evidence_ms"
            }
            Self::File(error) => error.next(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for (text, source) in [
            ("/run/tpm", Tpm::Files("/run/tpm".into())),
            ("./tools", Tpm::Files("./tools".into())),
            ("tools=/run/tpm", Tpm::Tools("/run/tpm".into())),
        ] {
            assert_eq!(Tpm::parse(text), Some(source.clone()));
            assert_eq!(source.to_string(), text);
        }
        assert!(Tpm::parse("").is_none() && Tpm::parse("tools=").is_none());
    }
}
