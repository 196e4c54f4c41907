//! Passphrases that somebody types.

use std::path::Path;

use claviger_tests::programs::{command, program};
use claviger_tests::tools::have;

use super::{PASSPHRASE, with_passphrase};

/// Runs a command on a terminal of its own, types these lines when it asks, has it end when it says `until`, and
/// gives what was on the screen.
fn typed_until(until: &str, words: &[&str], lines: &[&str]) -> (i32, String) {
    const SCRIPT: &str = "
import os, pty, signal, sys, termios, time
until, lines, words = sys.argv[1].encode(), sys.argv[2].split('|'), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(words[0], words)
screen = b''
asked = 0
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    screen += piece
    if until and until in screen:
        os.kill(pid, signal.SIGTERM)
        until = b''
    if asked < len(lines) and screen.count(b': ') > asked and screen.endswith(b': '):
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, lines[asked].encode() + b'\\n')
        asked += 1
sys.stdout.buffer.write(screen)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let python = std::process::Command::new("python3")
        .args(["-c", SCRIPT, until, &lines.join("|")])
        .args(words)
        .output()
        .unwrap();
    (python.status.code().unwrap(), String::from_utf8_lossy(&python.stdout).into_owned())
}

fn typed(words: &[&str], lines: &[&str]) -> (i32, String) {
    typed_until("", words, lines)
}

#[test]
fn serve_asks_three_times_and_then_starts_sealed() {
    if !have("python3", "python3") {
        return;
    }
    let (broker, _) = with_passphrase();
    let (program, data) = (program("key-broker"), broker.data_dir());
    let serve =
        [program.to_str().unwrap(), "serve", "--data-dir", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let asked = |screen: &str| screen.matches("Passphrase of the root key: ").count();
    let (code, screen) = typed_until("ready", &serve, &["not it", PASSPHRASE]);
    assert!(code == 0 && asked(&screen) == 2 && !screen.contains("sealed"), "{code} {screen}");
    let (code, screen) = typed_until("ready", &serve, &["not it", "nor this", "nor that"]);
    assert!(code == 0 && asked(&screen) == 3 && screen.contains("starting sealed"), "{code} {screen}");
    assert!(!screen.contains("horse") && !screen.contains("nor"), "{screen}");
}

#[test]
fn a_passphrase_is_typed_twice_and_not_shown() {
    if !have("python3", "python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (broker, data) = (program("key-broker"), data.to_str().unwrap());
    let broker = broker.to_str().unwrap();
    let init = [broker, "init", "--data-dir", data, "--key-slot", "passphrase"];
    let (code, screen) = typed(&init, &[PASSPHRASE, "correct horse battery stapel"]);
    assert!(code == 3 && screen.contains("aren't the same") && !screen.contains("horse"), "{code} {screen}");
    assert!(!Path::new(data).exists());
    let (code, screen) = typed(&init, &[PASSPHRASE, PASSPHRASE]);
    assert!(code == 0 && screen.contains("again") && !screen.contains("horse"), "{code} {screen}");
    let change = [broker, "slot", "change-passphrase", "--data-dir", data];
    let new = "another long passphrase";
    let (code, screen) = typed(&change, &["not it", new, new]);
    assert!(code == 3 && screen.contains("isn't the passphrase"), "{code} {screen}");
    let (code, screen) = typed(&change, &[PASSPHRASE, new, new]);
    assert!(code == 0 && screen.contains("changed") && !screen.contains("another"), "{code} {screen}");
    let (code, screen) =
        typed(&[broker, "slot", "add", "--data-dir", data, "--key-slot", "passphrase"], &[PASSPHRASE]);
    assert!(code == 3 && screen.contains("isn't the passphrase"), "{code} {screen}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let init = command("key-broker").args("init --key-slot passphrase");
    let init = init.with("--data-dir", dir.path().join("data"));
    // A session of its own has no terminal to open.
    let failure = match init.run().code() {
        Some(3) => true,
        code => panic!("{code:?}"),
    };
    assert!(failure && !dir.path().join("data").exists());
}
