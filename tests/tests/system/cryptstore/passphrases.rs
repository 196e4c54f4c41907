//! A cryptstore under a passphrase.

use std::fs;

use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, retrieve, store};
use claviger_tests::programs::command;

use super::Keys;

const PASSPHRASE: &str = "correct horse battery staple";

/// A cryptstore that opens with what is in the file `right`, beside it.
fn locked() -> Keys {
    let keys = Keys { dir: tempfile::tempdir().unwrap() };
    keys.secret("right", &format!("{PASSPHRASE}\n")).secret("wrong", "correct horse battery stapler\n");
    keys.call("init --key-slot passphrase --passphrase-file right").run().ok();
    keys
}

impl Keys {
    /// A file that is its owner's alone.
    fn secret(&self, file: &str, text: &str) -> &Self {
        self.write(file, text);
        fs::set_permissions(self.path(file), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        self
    }
}

#[test]
fn what_is_under_a_passphrase_opens_with_it_alone() {
    let keys = locked();
    assert!(!keys.path("state/slot.key").exists());
    keys.call("put a --in - --passphrase-file right").stdin("secret").run().ok();
    let got = keys.call("get a --out - --passphrase-file right").run_text();
    assert_eq!((got.code(), got.stdout()), (Some(0), b"secret".as_slice()));
    let piped = keys.call("get a --out - --passphrase-file -").stdin(PASSPHRASE).run_text();
    assert_eq!((piped.code(), piped.stdout()), (Some(0), b"secret".as_slice()));
    // As a service has it.
    keys.secret("claviger-passphrase", PASSPHRASE);
    let credential = keys.call("list").env("CREDENTIALS_DIRECTORY", keys.dir.path()).run().ok();
    assert_eq!(credential["items"].as_array().unwrap().len(), 1);

    let before = keys.files();
    for line in ["list", "get a --out x", "put a --in right", "delete a --all"] {
        let wrong = keys.call(&format!("{line} --passphrase-file wrong")).run().failed(3);
        wrong.is("key-slot").says(&["isn't the passphrase", "--passphrase-file"]);
        let nobody = keys.call(line).run().failed(3);
        nobody.is("refused").says(&["a passphrase is needed", "no terminal"]);
    }
    assert_eq!(keys.files(), before);
}

#[test]
fn a_new_passphrase_is_one_line_of_eight_bytes_or_more() {
    let keys = Keys { dir: tempfile::tempdir().unwrap() };
    for bad in ["", "short", "two\nlines of it", &"x".repeat(1025)] {
        keys.secret("bad", bad);
        keys.call("init --key-slot passphrase --passphrase-file bad").run().failed(3);
    }
    keys.call("init --key-slot passphrase --passphrase-file missing").run().failed(1).is("file");
    keys.call("init --key-slot passphrase").run().failed(3).says(&["a passphrase is needed"]);
    keys.secret("bad", PASSPHRASE);
    fs::set_permissions(keys.path("bad"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    keys.call("init --key-slot passphrase --passphrase-file bad").run().failed(3).says(&["chmod 600"]);
    assert!(!keys.path("state").exists(), "nothing was made");
}

#[test]
fn a_passphrase_opens_no_slot_of_a_key_file() {
    let keys = Keys::new();
    keys.secret("right", PASSPHRASE);
    let refused = keys.call("list --passphrase-file right").run().failed(3);
    refused.is("key-slot").says(&["leave --passphrase-file out"]);
    keys.call("list").env("CREDENTIALS_DIRECTORY", keys.dir.path()).run().ok();
}

#[test]
fn a_machine_enrols_and_retrieves_under_a_passphrase() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    let file = machine.platform.join("passphrase");
    fs::write(&file, PASSPHRASE).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let enroll = fleet.enroll(&broker, &machine).with("--passphrase-file", &file);
    enroll.args("--key-slot passphrase").run().ok();
    store(&broker, &machine.state, "a", b"secret").with("--passphrase-file", &file).run().ok();
    let got =
        retrieve(&broker, &machine.state, "a").with("--passphrase-file", &file).args("--out -").run_text();
    assert_eq!(got.stdout(), b"secret");
    retrieve(&broker, &machine.state, "a").args("--out -").run().failed(3).says(&["a passphrase is needed"]);
    // Enrolling anew opens the cryptstore that is there.
    fleet.enroll(&broker, &machine).arg("--replace").run().failed(3);
    fleet.enroll(&broker, &machine).arg("--replace").with("--passphrase-file", &file).run().ok();
    let own = command("key-client").args("cryptstore list").with("--state-dir", &machine.state);
    own.with("--passphrase-file", &file).run().ok();
}
