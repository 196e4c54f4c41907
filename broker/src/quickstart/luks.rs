//! A real LUKS2 volume in a file, through cryptsetup. The key goes through a pipe, never through argv.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failed;

/// Room for the LUKS2 header (16 MiB) and a little data.
const VOLUME_BYTES: u64 = 20 << 20;

/// Where cryptsetup is, if it is installed. `sbin` isn't in everybody's `PATH`.
pub(super) fn cryptsetup() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join("cryptsetup")).find(|file| file.is_file())
}

/// Makes a volume that opens with `key`.
pub(super) fn format(cryptsetup: &Path, volume: &Path, key: &[u8]) -> Result<(), Failed> {
    let file = std::fs::File::create_new(volume).map_err(Failed::new)?;
    file.set_len(VOLUME_BYTES).map_err(Failed::new)?;
    // The key is 512 random bits, so a slow derivation would add nothing.
    let cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    let mut command = Command::new(cryptsetup);
    command
        .args(["luksFormat", "--batch-mode", "--type", "luks2", "--key-file", "-"])
        .args(cheap)
        .arg(volume);
    if feed(command, key)? { Ok(()) } else { Err(Failed::new("cryptsetup luksFormat failed")) }
}

/// Whether the volume opens with `key`. Nothing is mapped, so no privilege is needed.
pub(super) fn opens(cryptsetup: &Path, volume: &Path, key: &[u8]) -> Result<bool, Failed> {
    let mut command = Command::new(cryptsetup);
    command.args(["open", "--test-passphrase", "--type", "luks2", "--key-file", "-"]).arg(volume);
    feed(command, key)
}

fn feed(mut command: Command, key: &[u8]) -> Result<bool, Failed> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(Failed::new)?;
    let mut stdin = child.stdin.take().ok_or_else(|| Failed::new("no pipe to cryptsetup"))?;
    stdin.write_all(key).map_err(Failed::new)?;
    drop(stdin);
    Ok(child.wait().map_err(Failed::new)?.success())
}
