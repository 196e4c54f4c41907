//! What the three programs say: help, completions, man pages, and every class of error with its exit code, as data
//! files. In each `.trycmd` file a line with `$` is a command, `? N` the exit code that it has to end with, and the rest
//! what it has to say; `[..]` and `...` stand for whatever changes. All commands of a file run in one fresh directory.
//!
//! `TRYCMD=overwrite cargo test -p claviger-tests --test cli` writes what they say now; read the difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod colors;
mod manual;
mod progress;

use std::fs;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::{PROGRAMS, directory, program};
use trycmd::TestCases;

/// Cases that may call the three programs, and `sh` where a shell's words are needed.
fn cases() -> TestCases {
    let cases = TestCases::new();
    for name in PROGRAMS {
        cases.register_bin(name, program(name));
    }
    cases.register_bin("sh", std::path::Path::new("/bin/sh"));
    let path = std::env::var("PATH").unwrap_or_default();
    // Where nobody looks, help is as wide as this.
    cases.env("COLUMNS", "100");
    cases.env("PATH", format!("{}:{path}", directory().display()));
    cases
}

#[test]
fn without_a_broker() {
    cases().case("tests/cli/offline/*.trycmd");
}

#[test]
fn with_a_broker_and_with_a_sealed_one() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "provisioned");
    let machine = fleet.admitted(&broker, "vm");
    broker.admin("entry import kept --domain fleet --in -").stdin("one").run().ok();
    let stranger = fleet.machine("stranger");
    let sealed = Broker::start_with(Setup::default());
    sealed.admin("seal").run().ok();

    let cases = cases();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let policy = machine.state.with_file_name("policy.pem");
    let certificate =
        pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, fleet.policy.der());
    fs::write(&policy, certificate.unwrap()).unwrap();
    for (name, placeholder, value) in [
        ("BROKER", "[BROKER]", broker.listen.to_string()),
        ("ADMISSION", "[ADMISSION]", broker.admission.to_string()),
        ("SEALED", "[SEALED]", sealed.listen.to_string()),
        ("SOCKET", "[SOCKET]", text(&broker.admin_socket())),
        ("SEALED_SOCKET", "[SEALED_SOCKET]", text(&sealed.admin_socket())),
        ("VM", "[VM]", text(&machine.state)),
        ("STRANGER", "[STRANGER]", text(&stranger.platform)),
        ("POLICY", "[POLICY]", text(&policy)),
        ("DATA", "[DATA]", text(&broker.data_dir())),
    ] {
        cases.env(name, value.clone());
        cases.insert_var(placeholder, value).unwrap();
    }
    cases.case("tests/cli/online/*.trycmd");
}
