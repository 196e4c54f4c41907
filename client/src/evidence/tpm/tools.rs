//! Quotes by `tpm2_quote`. Nothing that it is given is secret; the TPM is the one that its own environment names
//! (`TPM2TOOLS_TCTI`).

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use claviger_attest::PcrSelection;
use tokio::time::{Instant, sleep};

use super::{Fault, HANDLE, MAX_PART, PCRS, QUOTE, SIGNATURE, check};
use crate::files::read_bounded;

const PROGRAM: &str = "tpm2_quote";

/// A TPM needs a second; one that others use, some.
const LONGEST: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(10);

/// Largest of the files that say what to quote, and how much of the program's words is kept, in bytes.
const MAX_SETTING: usize = 256;
const MAX_SAID: u64 = 512;

pub(super) async fn collect(dir: &Path, asked: &[u8; 32]) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let command = command(dir, asked)?;
    run(command, LONGEST).await?;
    let read = |name| read_bounded(&dir.join(name), MAX_PART).map(|bytes| bytes.expose().to_vec());
    let (quote, signature) = (read(QUOTE)?, read(SIGNATURE)?);
    check(&quote, asked).map_err(|what| Fault::Quote { dir: dir.to_owned(), what })?;
    Ok((quote, signature))
}

fn command(dir: &Path, asked: &[u8; 32]) -> Result<Command, Fault> {
    let pcrs: PcrSelection = setting(dir, PCRS, "registers, such as sha256:0,2,7", |text| text.parse().ok())?;
    let handle = setting(dir, HANDLE, "the quote key's handle, such as 0x81010002", handle)?;
    let mut command = Command::new(PROGRAM);
    command.args(["--key-context", &format!("{handle:#010x}"), "--pcr-list", &pcrs.to_string()]);
    command.args(["--hash-algorithm", "sha256", "--qualification", &hex::encode(asked)]);
    command.arg("--message").arg(dir.join(QUOTE)).arg("--signature").arg(dir.join(SIGNATURE));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

fn setting<T>(
    dir: &Path,
    name: &str,
    what: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let path = dir.join(name);
    let bytes = read_bounded(&path, MAX_SETTING)?;
    let value = std::str::from_utf8(bytes.expose()).ok().and_then(|text| read(text.trim()));
    value.ok_or(Fault::Setting { path, what })
}

/// A persistent object's handle (TPM 2.0 Library, Part 2, `TPM_HT_PERSISTENT`): what else a TPM holds is gone with its power.
fn handle(text: &str) -> Option<u32> {
    let handle = u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (handle >> 24 == 0x81).then_some(handle)
}

async fn run(mut command: Command, longest: Duration) -> Result<(), Fault> {
    let mut child = Ended(command.spawn().map_err(Fault::NoTools)?);
    let end = Instant::now() + longest;
    loop {
        match child.0.try_wait().map_err(Fault::NoTools)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(Fault::Tools { status, said: child.said() }),
            None if Instant::now() >= end => return Err(Fault::Stuck(longest.as_secs())),
            None => sleep(LOOK).await,
        }
    }
}

/// A process that ends with whoever waits for it.
struct Ended(Child);

impl Ended {
    /// The last line of what it said, as far as it fits.
    fn said(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(from) = self.0.stderr.take() {
            // What can't be read isn't told; the status is.
            let _ = from.take(MAX_SAID).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        last.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;

    use super::*;

    fn runs<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn only_settings_that_are_settings_become_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let with = |pcrs: &str, handle: &str| {
            fs::write(dir.path().join(PCRS), pcrs).unwrap();
            fs::write(dir.path().join(HANDLE), handle).unwrap();
            command(dir.path(), &[7; 32])
        };
        let command = with("sha256:7,0\n", "0x81010002\n").unwrap();
        let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        assert_eq!(args[..4], ["--key-context", "0x81010002", "--pcr-list", "sha256:0,7"]);
        assert_eq!(args[7], "07".repeat(32));
        for (pcrs, handle) in [
            ("", "0x81010002"),
            ("sha1:0", "0x81010002"),
            ("sha256:7 -o /etc/x", "0x81010002"),
            ("sha256:7", ""),
            ("sha256:7", "81010002"),
            ("sha256:7", "0x80000000"),
            ("sha256:7", "ak.ctx"),
            ("sha256:7", "0x81010002 --x"),
        ] {
            assert!(matches!(with(pcrs, handle), Err(Fault::Setting { .. })), "{pcrs} {handle}");
        }
        fs::remove_file(dir.path().join(HANDLE)).unwrap();
        assert!(matches!(super::command(dir.path(), &[7; 32]), Err(Fault::File(_))));
    }

    #[test]
    fn a_program_that_fails_or_stays_is_told_and_ended() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            command
        };
        let failed = runs(run(shell("echo one >&2; echo two >&2; exit 3"), LONGEST)).unwrap_err();
        assert!(failed.to_string().ends_with(": two"), "{failed}");
        let stuck = runs(run(shell("exec sleep 600"), Duration::ZERO)).unwrap_err();
        assert!(matches!(stuck, Fault::Stuck(0)), "{stuck}");
        assert!(matches!(runs(run(Command::new("/no/such/program"), LONGEST)), Err(Fault::NoTools(_))));
        runs(run(shell("exit 0"), LONGEST)).unwrap();
    }
}
