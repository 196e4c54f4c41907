//! `key-broker config`, and the reference in the book.

use std::fs;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::programs::{Call, Run, command, workspace};

fn check(config: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broker.toml");
    fs::write(&file, config).unwrap();
    let run = call().with("--config", &file).run();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["broker.toml"], "a check makes nothing");
    run
}

fn call() -> Call {
    command("key-broker").args("config check --data-dir data")
}

#[test]
fn the_book_has_the_reference_as_the_program_prints_it() {
    let printed = command("key-broker").args("config default").run_text();
    assert_eq!(printed.code(), Some(0), "{printed}");
    let printed = String::from_utf8(printed.stdout().to_vec()).unwrap();
    let page = fs::read_to_string(workspace().join("docs/configuration.md")).unwrap();
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let differ = printed.lines().zip(block.lines()).find(|(printed, block)| printed != block);
    assert!(printed == block, "replace the block by what `key-broker config default` prints: {differ:?}");
    // It can be used as it is.
    check(&printed).ok();
}

#[test]
fn serve_checks_in_the_same_way_and_starts_nothing() {
    let serve = || command("key-broker").args("serve --check-config --data-dir data");
    assert_eq!(serve().run().ok()["ok"], true);
    serve().args("--listen 127.0.0.1:99999").run().failed(2);
}

#[test]
fn what_would_be_in_force_is_told() {
    let told = check("listen = '127.0.0.1:9'\n[limits]\nidle_ms = 5").ok();
    assert_eq!(told["ok"], true);
    let settings = &told["settings"];
    let of = |key: &str| settings[key].as_str().unwrap();
    assert_eq!((of("listen"), of("limits.idle_ms"), of("data_dir")), ("127.0.0.1:9", "5", "data"));
    // Flag over environment over file.
    let env = |listen: &str| call().env("CLAVIGER_LISTEN", listen);
    assert_eq!(env("127.0.0.1:8").run().ok()["settings"]["listen"], "127.0.0.1:8");
    let both = env("127.0.0.1:8").args("--listen 127.0.0.1:7").run().ok();
    assert_eq!(both["settings"]["listen"], "127.0.0.1:7");
    let text = call().run_text();
    assert!(String::from_utf8_lossy(text.stdout()).contains("limits.connections = 16384"), "{text}");
}

#[test]
fn what_is_wrong_is_told_with_its_key_and_line() {
    for (config, words) in [
        ("\nlistn = '127.0.0.1:9'", &["listn", "line 2"][..]),
        ("[limits]\nfoo = 1", &["foo", "line 2"]),
        ("[limit]\nidle_ms = 1", &["limit", "line 1"]),
        ("listen = 'nowhere'", &["listen", "line 1"]),
        ("# one\nshards = 0", &["shards", "line 2"]),
        ("[limits]\nconnections_per_address = 3", &["limits.connections_per_address", "256", "line 2"]),
        ("[limits]\nconnections = -1", &["line 2"]),
        ("ops_listen = '127.0.0.1:8120'", &["ops_listen", "listen", "line 1"]),
        ("log_format = 'loud'", &["log_format", "line 1"]),
        ("log_filter = 'claviger=loud'", &["log_filter", "line 1"]),
        ("default_domain = 'Not One'", &["default_domain", "line 1"]),
        ("admission_listen = ['nowhere']", &["admission_listen", "line 1"]),
        ("shards = ", &["line 1"]),
    ] {
        check(config).failed(2).is("configuration").says(words);
    }
    call().with("--config", "absent.toml").run().failed(2).says(&["absent.toml"]);
    command("key-broker").args("config check").run().failed(2).says(&["--data-dir"]);
    call().env("CLAVIGER_LOG", "=").run().failed(2).says(&["log_filter"]);
}

#[test]
fn serve_refuses_what_check_refuses() {
    let mut broker = Broker::init(Setup { config: "[limits]\nfoo = 1".to_owned(), ..Setup::default() });
    let (status, log) = broker.try_serve().unwrap_err();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("foo") && log.contains("line 2"), "{log}");
}
