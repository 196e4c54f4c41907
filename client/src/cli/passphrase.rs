//! Where a command line's passphrases come from: a file, a systemd credential, the terminal. Never an argument or
//! a variable of the environment, which others on the machine can read.

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_proto::{ErrorCode, Secret};
use claviger_store::slot::{MAX_PASSPHRASE, Passphrase, SlotError};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::input;

/// The systemd credential that a passphrase is taken from (`LoadCredentialEncrypted=claviger-passphrase:…`).
pub const CREDENTIAL: &str = "claviger-passphrase";

/// A passphrase that was given ahead: in a file (`-` is standard input), or else in the credential; `None` when
/// in neither.
pub fn given(file: Option<&Path>) -> Result<Option<Passphrase>, Failure> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match file {
        Some(file) => read(file).map(Some),
        None => match directory.map(|directory| directory.join(CREDENTIAL)) {
            Some(credential) if credential.exists() => read(&credential).map(Some),
            _ => Ok(None),
        },
    }
}

/// One that was given ahead, or is asked for at the terminal.
pub fn existing(file: Option<&Path>, prompt: &str) -> Result<Passphrase, Failure> {
    given(file)?.map_or_else(|| ask(prompt), Ok)
}

/// A new one: given ahead, or asked for twice.
pub fn new(file: Option<&Path>, prompt: &str) -> Result<Passphrase, Failure> {
    given(file)?.map_or_else(|| ask_twice(prompt), Ok)
}

/// Reads a passphrase from a file. One that everybody can change is refused; one that others can read isn't, for
/// mounts of secrets often have such modes ([`exposed_mode`] tells).
pub fn read(file: &Path) -> Result<Passphrase, Failure> {
    if let Some(mode) = mode(file).filter(|mode| mode & 0o002 != 0) {
        let message = format!("{} can be changed by everybody (mode {mode:o})", file.display());
        let next = format!("chmod 600 {}, and look whether it still is what it was", file.display());
        return Err(Failure::coded(ErrorCode::Refused, message, next));
    }
    // A line's end on top.
    let bytes = input::read(file, MAX_PASSPHRASE + 2)?;
    Passphrase::new(&bytes).map_err(|error| refused(&error, &format!("look into {}", input::shown(file))))
}

/// The mode of a file that others than its owner can read, if it is one.
pub fn exposed_mode(file: &Path) -> Option<u32> {
    mode(file).filter(|mode| mode & 0o077 != 0)
}

/// The permission bits of a regular file; a pipe has none that count.
fn mode(file: &Path) -> Option<u32> {
    let metadata = (file != Path::new("-")).then(|| file.metadata().ok()).flatten()?;
    metadata.is_file().then(|| metadata.permissions().mode() & 0o7777)
}

/// Whether somebody is there to be asked: at least one of the two is a terminal, for the other may be a file that
/// something else is read from.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

/// Asks at the terminal, which shows nothing of what is typed.
pub fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    if !can_ask() {
        return Err(unasked());
    }
    let typed = rpassword::prompt_password(format!("{prompt}: ")).map_err(|error| unreadable(&error))?;
    let typed = Zeroizing::new(typed);
    Passphrase::new(&Secret::copy_from(typed.as_bytes()))
        .map_err(|error| refused(&error, "type it again; nothing was changed"))
}

/// Asks for a new one, twice.
pub fn ask_twice(prompt: &str) -> Result<Passphrase, Failure> {
    let first = ask(prompt)?;
    if first.is(&ask(&format!("{prompt}, again"))?) {
        return Ok(first);
    }
    let message = "the two passphrases aren't the same; nothing was changed";
    Err(Failure::coded(ErrorCode::Refused, message, "try again"))
}

fn unreadable(error: &io::Error) -> Failure {
    let message = format!("the passphrase can't be read from the terminal: {error}");
    Failure::coded(ErrorCode::Refused, message, "try again, or name a file that holds it (see --help)")
}

fn unasked() -> Failure {
    let message = "a passphrase is needed, and there is no terminal to ask for it";
    let next = format!(
        "name a file that holds it (--help says with which option), or give it as systemd's credential {CREDENTIAL}"
    );
    Failure::coded(ErrorCode::Refused, message, next)
}

fn refused(error: &SlotError, next: &str) -> Failure {
    Failure::coded(ErrorCode::Refused, error.to_string(), next)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn t23_a_passphrase_file_that_everybody_can_change_is_refused_and_one_that_others_can_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passphrase");
        fs::write(&file, "correct horse\n").unwrap();
        let set = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        for bad in [0o602, 0o666] {
            set(bad);
            let failure = read(&file).err().unwrap();
            assert!(failure.exit_status() == 3 && failure.next().contains("chmod 600"), "{failure:?}");
        }
        for told in [0o640, 0o604] {
            set(told);
            assert_eq!(exposed_mode(&file), Some(told));
        }
        assert!(read(&file).unwrap().is(&Passphrase::new(&Secret::copy_from(b"correct horse")).unwrap()));
    }

    #[test]
    fn what_is_no_passphrase_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passphrase");
        for (bad, status) in
            [("", 3), ("secret\nsecond\n", 3), (&"x".repeat(1025), 3), (&"x".repeat(5000), 3)]
        {
            fs::write(&file, bad).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let failure = read(&file).err().unwrap();
            assert!(failure.exit_status() == status && !failure.message().contains("secret"), "{failure:?}");
        }
    }
}
