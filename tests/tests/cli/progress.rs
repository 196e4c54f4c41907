//! A sign of life on a terminal while something takes long, and none for machines.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use claviger_tests::programs::program;
use claviger_tests::tools;

/// What `key-admin audit verify` shows at a terminal while a broker takes its time, and then says nothing.
fn shown(options: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let broker = std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        drop(connection);
    });
    let (program, socket) = (program("key-admin"), socket.display().to_string());
    let line = format!("{} audit verify --domain fleet --admin-socket {socket} {options}", program.display());
    // A terminal for all three, whose output goes to standard output here.
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    broker.join().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn who_waits_at_a_terminal_sees_that_something_is_under_way() {
    if !tools::have("script", "bsdutils") {
        return;
    }
    let people = shown("");
    assert!(people.contains("checking the trail") && people.contains("error:"), "{people}");
    let machines = shown("--output json");
    assert!(!machines.contains("checking") && machines.contains(r#"{"error""#), "{machines}");
}
