//! The policy key and its certificate, as an owner has them in files.

#![expect(clippy::doc_markdown, reason = "help texts are shown as they are, without markup")]

use std::path::{Path, PathBuf};

use clap::Args;
use claviger_attest::{IssueError, Issuer, KeyError, PolicyCertificate, SigningKey};
use claviger_client::cli::certificates::{MAX_FILE, read_policy, read_policy_of};
use claviger_client::cli::{Failure, input};
use claviger_proto::key::{PrivateKey, read_private};
use claviger_proto::{DomainName, ErrorCode, ParseError};

/// Where the policy key and its certificate are.
#[derive(Args)]
pub(crate) struct PolicyFiles {
    /// The policy key: PEM or key_message
    #[arg(long, value_name = "FILE")]
    pub(crate) policy_key: PathBuf,
    /// Its certificate, if it is neither in the key's file nor beside it (policy-cert.pem, policy_cert_file.bin)
    #[arg(long, value_name = "FILE")]
    pub(crate) policy_cert: Option<PathBuf>,
}

/// The names that `policy-key generate` gives the certificate.
pub(crate) const CERTIFICATE_PEM: &str = "policy-cert.pem";
pub(crate) const CERTIFICATE_DER: &str = "policy_cert_file.bin";

impl PolicyFiles {
    /// Reads both, and makes sure that they belong together and can sign for this domain, which must be the one that
    /// the certificate names, if it names one: what is issued for another works nowhere.
    pub(crate) fn issuer(&self, domain: &DomainName) -> Result<Issuer, Failure> {
        let (key, certificate) = self.read(Some(domain))?;
        let issuer = self.join(&key, certificate, domain)?;
        if let Some(named) = issuer.certificate().domain_named().filter(|named| *named != domain.as_str()) {
            let why = format!("its certificate is the policy certificate of domain {named}, not of {domain}");
            let next =
                "give --domain as the certificate names it, or that domain's own policy key and certificate";
            return Err(refuse(&self.policy_key, &why, next));
        }
        Ok(issuer)
    }

    /// Reads both, for sending them to a broker, and makes sure that they belong together and can sign.
    pub(crate) fn pair(&self, domain: &DomainName) -> Result<(PrivateKey, PolicyCertificate), Failure> {
        let (key, certificate) = self.read(Some(domain))?;
        self.join(&key, certificate.clone(), domain)?;
        Ok((key, certificate))
    }

    fn join(
        &self,
        key: &PrivateKey,
        certificate: PolicyCertificate,
        domain: &DomainName,
    ) -> Result<Issuer, Failure> {
        let key = SigningKey::from_private(key).map_err(|error| {
            refuse(&self.policy_key, &error.to_string(), "give a policy key of a kind that signs")
        })?;
        Issuer::new(key, certificate, domain).map_err(|error| {
            let next = "give the key and the certificate that belong together (--policy-key, --policy-cert)";
            refuse(&self.policy_key, &error.to_string(), next)
        })
    }

    /// Reads both, for writing them elsewhere, and makes sure that they belong together.
    pub(crate) fn both(&self) -> Result<(PrivateKey, PolicyCertificate), Failure> {
        let (key, certificate) = self.read(None)?;
        if key.public().is_ok_and(|public| public == *certificate.public_key()) {
            return Ok((key, certificate));
        }
        let next = "give the key and the certificate that belong together (--policy-key, --policy-cert)";
        Err(refuse(&self.policy_key, "its certificate is of another key", next))
    }

    fn read(&self, domain: Option<&DomainName>) -> Result<(PrivateKey, PolicyCertificate), Failure> {
        let (key, inside) = read_key(&self.policy_key)?;
        let read = |path: &Path| match domain {
            Some(domain) => read_policy_of(path, domain),
            None => read_policy(path),
        };
        let certificate = match (&self.policy_cert, inside) {
            (Some(path), _) => read(path)?,
            (None, Some(der)) => PolicyCertificate::from_der(&der).map_err(|error| {
                refuse(&self.policy_key, &error.to_string(), "name the certificate with --policy-cert")
            })?,
            (None, None) => read(&self.beside()?)?,
        };
        Ok((key, certificate))
    }

    fn beside(&self) -> Result<PathBuf, Failure> {
        let names = [CERTIFICATE_PEM, CERTIFICATE_DER];
        let paths = names.map(|name| self.policy_key.with_file_name(name));
        paths.into_iter().find(|path| path.exists()).ok_or_else(|| {
            let why =
                "no certificate is in it, and neither policy-cert.pem nor policy_cert_file.bin beside it";
            refuse(&self.policy_key, why, "name the certificate with --policy-cert")
        })
    }
}

/// Reads a private key, and the certificate that may lie in the same file.
pub(crate) fn read_key(path: &Path) -> Result<(PrivateKey, Option<Vec<u8>>), Failure> {
    read_as(path, read_private, "give a private key as PEM or key_message")
}

/// Reads a file with a key or a certificate in it. `next` is what to give instead of what it isn't.
pub(crate) fn read_as<T>(
    path: &Path,
    read: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    next: &str,
) -> Result<T, Failure> {
    let bytes = input::read(path, MAX_FILE)?;
    read(bytes.expose()).map_err(|error| refuse(path, &error.to_string(), next))
}

/// A file that isn't what it should be.
pub(crate) fn refuse(path: &Path, why: &str, next: &str) -> Failure {
    Failure::coded(ErrorCode::Refused, format!("{} can't be used: {why}", input::shown(path)), next)
}

/// A key that couldn't be made or used, which a healthy system doesn't do.
pub(crate) fn broken(error: KeyError) -> Failure {
    Failure::new("key", 1, error.to_string(), "check the system and try again")
}

/// A certificate that couldn't be issued.
pub(crate) fn unissued(error: IssueError) -> Failure {
    match error {
        IssueError::Key(error) => broken(error),
        error => Failure::coded(ErrorCode::Refused, error.to_string(), "correct it and try again"),
    }
}
