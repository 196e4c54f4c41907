//! A launch ticket: what the domain's owner gave this one machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use claviger_attest::TICKET;
use claviger_proto::Secret;
use claviger_proto::evidence::EvidenceUserData;
use zeroize::Zeroizing;

use crate::files::{FileError, read_bounded};

/// The ticket's line: its bytes in hex, and the line's end.
const MAX_FILE: usize = 2 * TICKET + 2;

/// A launch ticket, taken by its domain's broker once. No `Debug`, no `Clone`.
pub struct LaunchTicket(Secret);

/// Why there is no ticket to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others than its owner could take the ticket out of the file.
    #[error("{path} is open to others than its owner (mode {mode:o}), and whoever has a ticket can use it")]
    Exposed {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// What is in the file isn't one ticket.
    #[error("{path} holds no launch ticket: that is one line of 64 hex digits")]
    Malformed {
        /// The file.
        path: String,
    },
}

impl TicketError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Exposed { .. } | Self::Malformed { .. } => "ticket",
        }
    }

    /// The exit status: 3 where the file is refused.
    pub fn exit_status(&self) -> u8 {
        if matches!(self, Self::File(_)) { 1 } else { 3 }
    }

    /// What to do next, as a sentence without its full stop.
    pub fn next(&self) -> String {
        match self {
            Self::File(error) => error.next().to_owned(),
            Self::Exposed { path, .. } => {
                format!(
                    "chmod 600 {path}; if somebody may have read it, have its owner revoke it and make another"
                )
            }
            Self::Malformed { .. } => "name the file that `key-admin ticket create --out` wrote".to_owned(),
        }
    }
}

impl LaunchTicket {
    /// Reads a ticket's file: one line of 64 hex digits, for its owner alone.
    pub fn read(file: &Path) -> Result<Self, TicketError> {
        let path = || file.display().to_string();
        let metadata = file.metadata().map_err(|source| FileError::system("reading", file, source))?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_file() && mode & 0o077 != 0 {
            return Err(TicketError::Exposed { path: path(), mode });
        }
        let line = read_bounded(file, MAX_FILE)?;
        let mut bytes = Zeroizing::new([0; TICKET]);
        hex::decode_to_slice(line.expose().trim_ascii_end(), bytes.as_mut_slice())
            .map_err(|_| TicketError::Malformed { path: path() })?;
        Ok(Self(Secret::copy_from(bytes.as_slice())))
    }

    /// What goes into evidence.
    pub(crate) fn user_data(&self) -> Zeroizing<Vec<u8>> {
        EvidenceUserData::with_ticket(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn read(text: &str, mode: u32) -> Result<LaunchTicket, TicketError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        LaunchTicket::read(file.path())
    }

    #[test]
    fn one_line_of_hex_for_its_owner_alone_is_a_ticket() {
        let line = "ab".repeat(32);
        for text in [line.clone(), format!("{line}\n"), format!("{line}\r\n")] {
            assert_eq!(read(&text, 0o600).ok().unwrap().0.expose(), [0xab; 32]);
        }
        for mode in [0o640, 0o604, 0o620, 0o610] {
            assert!(matches!(read(&line, mode), Err(TicketError::Exposed { .. })), "{mode:o}");
        }
        for text in
            [String::new(), line[2..].to_owned(), format!("{line}ab"), format!("{line} x"), "x".repeat(64)]
        {
            let error = read(&text, 0o600).err().unwrap();
            assert!(error.exit_status() != 0 && !error.to_string().contains(&line[..8]), "{error}");
        }
    }
}
