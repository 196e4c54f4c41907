//! What systemd is told, and the unit file.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::{program, workspace};
use claviger_tests::tools::have;
use rustix::process::Signal;

/// Reads messages until one has this line; what came until then.
fn told(socket: &UnixDatagram, line: &str) -> Vec<String> {
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length =
            socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{line} never came ({error}): {all:?}"));
        let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
        let is = message.lines().any(|is| is == line);
        all.push(message);
        if is {
            return all;
        }
    }
}

#[test]
fn systemd_is_told_of_each_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let env = vec![("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", "2000000".to_owned())];
    let mut broker = Broker::init(Setup { env, ..Setup::default() });
    let aside = broker.dir().join("aside");
    fs::rename(broker.key_file(), &aside).unwrap();
    broker.serve();
    let first = told(&socket, "READY=1");
    assert!(first.last().unwrap().contains("STATUS=sealed"), "{first:?}");
    broker.admin("unseal").with("--key-file", &aside).run().ok();
    told(&socket, "STATUS=serving");
    told(&socket, "WATCHDOG=1");
    told(&socket, "WATCHDOG=1");
    broker.signal(Signal::HUP);
    let reloading = told(&socket, "RELOADING=1");
    assert!(reloading.last().unwrap().contains("MONOTONIC_USEC="), "{reloading:?}");
    let ready = told(&socket, "READY=1");
    assert!(ready.last().unwrap().contains("STATUS=serving"), "{ready:?}");
    broker.admin("seal").run().ok();
    told(&socket, "STATUS=sealed");
    broker.stop();
    let last = told(&socket, "STOPPING=1");
    assert!(last.last().unwrap().contains("STATUS=draining"), "{last:?}");
}

#[test]
fn the_unit_file_is_valid_and_leaves_little_exposed() {
    if !have("systemd-analyze", "systemd") {
        return;
    }
    let unit = fs::read_to_string(workspace().join("dist/systemd/key-broker.service")).unwrap();
    let here = program("key-broker").display().to_string();
    assert!(unit.contains("ExecStart=/usr/bin/key-broker "));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key-broker.service");
    fs::write(&file, unit.replace("/usr/bin/key-broker", &here)).unwrap();
    let analyze = |options: &[&str]| {
        let output = Command::new("systemd-analyze").args(options).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    let (valid, said) = analyze(&["verify", "--man=no"]);
    assert!(valid && !said.contains("key-broker.service:"), "{said}");
    // In tenths: what a unit without any hardening has is 96.
    let (few, said) = analyze(&["security", "--offline=true", "--no-pager", "--threshold=20"]);
    assert!(few, "{said}");
    for line in ["LimitCORE=0", "NoNewPrivileges=yes", "ProtectSystem=strict", "MemoryDenyWriteExecute=yes"] {
        assert!(unit.lines().any(|is| is == line), "{line}");
    }
}
