//! Colours: none where nobody looks, and as `NO_COLOR` and `CLICOLOR_FORCE` say. And the names of the outputs.

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::{PROGRAMS, Run, command};

const ESCAPE: u8 = 0x1b;

/// Something wrong in the command line, and something wrong later.
fn wrong(name: &str, variables: &[(&str, &str)]) -> [Run; 2] {
    let later = match name {
        "key-broker" => "slot list --data-dir /nowhere",
        "key-client" => "cryptstore list --state-dir /nowhere",
        _ => "status",
    };
    ["frobnicate", later].map(|line| {
        let call = command(name).env("TERM", "xterm").args(line);
        variables.iter().fold(call, |call, (key, value)| call.env(key, value)).run_text()
    })
}

#[track_caller]
fn assert_colored(run: &Run, colored: bool) {
    assert_ne!(run.code(), Some(0), "{run}");
    assert_eq!(run.stderr().as_bytes().contains(&ESCAPE), colored, "{run}");
    assert!(run.stderr().contains("error:") && !run.stdout().contains(&ESCAPE), "{run}");
    // What to do next comes last, whoever found it wrong.
    assert!(run.stderr().lines().last().unwrap().contains("next:"), "{run}");
}

#[test]
fn errors_have_colours_only_where_they_are_wanted() {
    for name in PROGRAMS {
        for (variables, colored) in [
            (&[][..], false),
            (&[("CLICOLOR_FORCE", "1")], true),
            (&[("CLICOLOR_FORCE", "")], false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            for run in wrong(name, variables) {
                assert_colored(&run, colored);
            }
        }
    }
}

#[test]
fn what_is_for_machines_has_no_colours() {
    for name in PROGRAMS {
        for line in ["frobnicate", "man /dev/null/x"] {
            command(name).env("CLICOLOR_FORCE", "1").args(line).run().failed(if line == "frobnicate" {
                2
            } else {
                1
            });
        }
    }
    let mut broker = Broker::start_with(Setup {
        env: vec![("CLICOLOR_FORCE", "1".into()), ("CLAVIGER_LOG", "debug".into())],
        ..Setup::default()
    });
    broker.stop();
    let log = broker.log();
    assert!(log.lines().count() > 1 && !log.as_bytes().contains(&ESCAPE), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
}

#[test]
fn the_output_for_people_is_called_table() {
    let dir = tempfile::tempdir().unwrap();
    let made = |line: &str| {
        let call = command("key-client").args("cryptstore list --state-dir s").args(line);
        call.current_dir(dir.path()).run_text()
    };
    command("key-client").args("cryptstore init --state-dir s").current_dir(dir.path()).run_text();
    let table = made("--output table");
    assert_eq!((table.code(), table.stdout()), (Some(0), made("").stdout()), "{table}");
    assert_eq!(made("--output text").stdout(), table.stdout(), "as it was called before");
    let wrong = made("--output yaml");
    assert_eq!(wrong.code(), Some(2), "{wrong}");
    assert!(wrong.stderr().contains("table, json"), "{wrong}");
}
