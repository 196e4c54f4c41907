//! `key-broker quickstart`: the whole of it in one command.

use claviger_tests::programs::command;
use claviger_tests::tools;
use serde_json::Value;

/// The steps that must be there, in their order.
const STEPS: [&str; 11] = [
    "domain",
    "admit-deployment",
    "store",
    "admit-deployed",
    "retrieve",
    "luks-open",
    "luks-other-key-refused",
    "unknown-measurement-refused",
    "foreign-certificate-refused",
    "reserved-name-refused",
    "audit-verified",
];

#[test]
fn quickstart_plays_every_step_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let run = command("key-broker").args("quickstart --exit").env("TMPDIR", temporary.path()).run();
    assert_eq!(run.code(), Some(0), "{run}");
    let lines: Vec<Value> = String::from_utf8_lossy(run.stdout())
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, steps) = lines.split_last().unwrap();
    assert_eq!(*last, serde_json::json!({"ok": true}));
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS);
    for step in steps {
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["ms"].is_u64() && step["detail"].is_string(), "{step}");
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "the temporary directory is removed");
    if !tools::have("cryptsetup", "cryptsetup-bin") {
        return;
    }
    for step in steps.iter().filter(|step| step["step"].as_str().unwrap().starts_with("luks-")) {
        assert!(!step["detail"].as_str().unwrap().contains("skipped"), "{step}");
    }
}

#[test]
fn quickstart_says_its_steps_to_people_as_well() {
    let run = command("key-broker").args("quickstart --exit").run_text();
    let text = String::from_utf8_lossy(run.stdout()).into_owned();
    assert_eq!(run.code(), Some(0), "{run}");
    for step in STEPS {
        assert!(text.contains(step), "{step} is not in {text}");
    }
}
