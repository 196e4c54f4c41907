//! What a configuration can and can't say.

use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("broker.toml");
    std::fs::write(&path, text).expect("a file");
    Config::load(Some(&path), Overrides { data_dir: Some("/data".into()), ..Overrides::default() })
}

#[test]
fn an_unknown_key_is_an_error() {
    assert!(matches!(load("listn = '127.0.0.1:1'"), Err(ConfigError::Parse { .. })));
    assert!(matches!(load("[limits]\nfoo = 1"), Err(ConfigError::Parse { .. })));
}

#[test]
fn the_command_line_wins_over_the_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("broker.toml");
    std::fs::write(&path, "data_dir = '/file'\nlisten = '127.0.0.1:1'\nops_listen = '127.0.0.1:2'")
        .expect("a file");
    let flags =
        Overrides { listen: Some("127.0.0.1:9".parse().expect("an address")), ..Overrides::default() };
    let config = Config::load(Some(&path), flags).expect("a configuration");
    assert_eq!(config.listen.port(), 9);
    assert_eq!(config.ops_listen.map(|a| a.port()), Some(2));
    assert_eq!(config.data_dir, PathBuf::from("/file"));
}

#[test]
fn a_limit_out_of_range_is_named() {
    let error = load("[limits]\nconnections_per_address = 3").expect_err("below the floor");
    assert!(error.to_string().contains("connections_per_address"), "{error}");
}

#[test]
fn an_admission_listener_may_name_its_stock_domain() {
    let parsed: AdmissionListen = "127.0.0.1:8123=dom0".parse().expect("a listener");
    assert_eq!(parsed.stock_domain.expect("a domain").as_str(), "dom0");
    assert!("127.0.0.1:8123=Dom".parse::<AdmissionListen>().is_err());
    assert!("nowhere".parse::<AdmissionListen>().is_err());
}

#[test]
fn a_value_that_cannot_be_used_is_told_with_its_line() {
    for (text, key, line) in [
        ("\n[limits]\nidle_ms = 0", "limits.idle_ms", 3),
        ("shards = 0", "shards", 1),
        ("listen = '127.0.0.1:1'\n\nops_listen = '127.0.0.1:1'", "ops_listen", 3),
        ("# one\nadmission_listen = ['nowhere']", "admission_listen", 2),
        ("log_filter = 'claviger=loud'", "log_filter", 1),
    ] {
        let error = load(text).expect_err(text);
        assert!(matches!(&error, ConfigError::Line { line: at, .. } if *at == line), "{text}: {error:?}");
        assert!(error.to_string().contains(key), "{error}");
    }
    let error = load("[limits]\nfoo = 1").expect_err("unknown").to_string();
    assert!(error.contains("line 2") && error.contains("foo"), "{error}");
    // A flag has no line.
    let flags =
        Overrides { data_dir: Some("/d".into()), log_filter: Some("=".into()), ..Overrides::default() };
    assert!(matches!(Config::load(None, flags), Err(ConfigError::Value { key: "log_filter", .. })));
}

#[test]
fn the_reference_is_a_configuration_and_says_the_defaults() {
    let (of_reference, of_nothing) = (load(&reference()).expect("valid"), load("").expect("valid"));
    assert!(of_reference.settings().eq(of_nothing.settings()));
    assert_eq!(of_reference.limits, Limits::default());
}

#[test]
fn the_reference_has_every_key() {
    let uncommented: String = reference()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let all: toml::Table = uncommented.parse().expect("TOML");
    assert_eq!(all["limits"].as_table().map(toml::Table::len), Some(Limits::KEYS.len()));
    // This folder has to be there: a list that can't be read isn't passed over.
    let dir = tempfile::tempdir().expect("a directory");
    let there = uncommented.replace("/etc/claviger/crls", &dir.path().display().to_string());
    load(&there).expect("every example can be used");
    // serde lists what it knows.
    let known = load("no_such_key = 1").expect_err("unknown").to_string();
    let known = known.split("expected one of").nth(1).expect("a list");
    assert_eq!(known.matches('`').count() / 2, all.len(), "{known}");
}

#[test]
fn each_limit_has_bounds_that_hold() {
    for key in Limits::KEYS {
        let name = key.name.trim_start_matches("limits.");
        let (low, high) = key.bounds.expect("a limit has bounds");
        let set = |value: u64| load(&format!("[limits]\n{name} = {value}"));
        assert!(set(low).is_ok() && set(high).is_ok(), "{name}");
        for beyond in [low.wrapping_sub(1), high + 1].into_iter().filter(|v| i64::try_from(*v).is_ok()) {
            let error = set(beyond).expect_err(name).to_string();
            assert!(error.contains(key.name), "{error}");
        }
    }
}

#[test]
fn what_is_read_again_changes_and_what_is_not_does_not() {
    let old = load("").expect("valid");
    let new = load("listen = '127.0.0.1:9'\ndefault_domain = 'a'\n[limits]\nidle_ms = 5\nadmissions = 3");
    let (now, changed) = old.reloaded(&new.expect("valid"));
    let changed: Vec<_> = changed.iter().map(|changed| (changed.key, changed.in_force)).collect();
    let expected =
        [("listen", false), ("default_domain", true), ("limits.admissions", false), ("limits.idle_ms", true)];
    assert_eq!(changed, expected);
    assert_eq!((now.listen, now.limits.admissions), (old.listen, old.limits.admissions));
    assert_eq!(now.limits.idle.as_millis(), 5);
    let live = Live::new(&old);
    let before = live.limits();
    live.reload(&now);
    assert_eq!((live.limits().idle.as_millis(), live.limits().admissions), (5, old.limits.admissions));
    assert_eq!(before.idle, old.limits.idle, "who began before keeps what it began with");
}
