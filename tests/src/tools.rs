//! Components from outside.

use std::path::PathBuf;

/// Whether a program from outside is installed. Where it isn't, one line names the Debian package that has it,
/// and the test that needs it ends; with `CLAVIGER_REQUIRE_ALL=1` it fails instead, so that a machine which is
/// meant to run everything does.
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
pub fn have(program: &str, debian_package: &str) -> bool {
    if path_of(program).is_some() {
        return true;
    }
    absent(&format!("{program} is not installed (Debian: {debian_package})"));
    false
}

/// Whether python3 has its `cryptography` module; as [`have`] otherwise.
pub fn have_python_cryptography() -> bool {
    if !have("python3", "python3") {
        return false;
    }
    let found = std::process::Command::new("python3").args(["-c", "import cryptography"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    absent("python3 has no module cryptography (Debian: python3-cryptography)");
    false
}

/// Says that something is missing, or fails where nothing may be.
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
pub fn absent(what: &str) {
    assert!(std::env::var_os("CLAVIGER_REQUIRE_ALL").is_none_or(|value| value != "1"), "{what}");
    eprintln!("skipped: {what}");
}

/// Where a program is. `sbin` isn't in everybody's `PATH`.
pub fn path_of(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
}
