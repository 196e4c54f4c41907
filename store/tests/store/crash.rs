//! kill -9 during stores.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use claviger_acl::Action;
use claviger_proto::{Secret, Version};
use claviger_store::{Command, DataDir, Done, NewSlot, PutEntry};

use crate::common::{Member, NOW, create_domain, facts};

const DIR: &str = "CLAVIGER_CRASH_TEST_DIR";

/// What a version's secret is, so that any mixture of two would show. Some are large enough for many pieces.
fn blob(name: &str, version: u32) -> Vec<u8> {
    let length = if version % 7 == 3 { 40_000 } else { 100 };
    format!("{name}:{version};").into_bytes().into_iter().cycle().take(length).collect()
}

/// Run in a process of its own by the test below: stores for ever, and prints what is acknowledged.
#[test]
#[ignore = "run by t32"]
fn child_that_stores() {
    let Some(path) = std::env::var_os(DIR) else { return };
    let dir = DataDir::open(Path::new(&path)).unwrap();
    let store = dir.store(&dir.unlock().unwrap()).unwrap();
    let keys = store.domains().unwrap().remove(0).keys;
    let mut writer = store.writer().unwrap();
    let member = Member::of("alpha");
    let mut out = std::io::stdout().lock();
    let mut next = BTreeMap::new();
    for round in 0_u32.. {
        let names: Vec<String> = (0..=round % 5).map(|n| format!("n{n}")).collect();
        let put = |name: &String| {
            let version = next.entry(name.clone()).or_insert_with(|| {
                let permit = member.may(Action::Retrieve, name);
                let latest = store.retrieve(&keys, permit, None, NOW).ok();
                latest.and_then(|latest| latest.version).map_or(1, |version| version.get() + 1)
            });
            let command = PutEntry {
                keys: keys.clone(),
                permit: member.may(Action::Store, name),
                version: Version::new(*version),
                entry_type: "binary-blob".parse().unwrap(),
                exportable: true,
                options: claviger_proto::key_service::PutOptions::default(),
                quota: claviger_store::Quota::default(),
                blob: Secret::new(blob(name, *version)),
                now: NOW,
                audit: facts("store"),
            };
            *version += 1;
            Command::Put(command)
        };
        let outcomes = writer.commit(names.iter().map(put).collect());
        for (name, outcome) in names.iter().zip(outcomes) {
            let Ok(Done::Stored { version, .. }) = outcome else { panic!("a store failed") };
            writeln!(out, "acknowledged {name} {version}").unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn t32_every_acknowledged_version_survives_a_kill_and_none_is_torn() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    let dir = DataDir::create(&path, &NewSlot::File { path: temp.path().join("key") }).unwrap();
    let store = dir.store(&dir.unlock().unwrap()).unwrap();
    create_domain(&mut store.writer().unwrap(), "alpha").unwrap();
    drop((store, dir));
    let mut acknowledged = BTreeMap::new();
    for round in 0..6_usize {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_stores", "--ignored", "--nocapture"])
            .env(DIR, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut note = |line: String| {
            if let Some((name, version)) = line.strip_prefix("acknowledged ").and_then(|l| l.split_once(' '))
            {
                acknowledged.insert(name.to_owned(), version.parse::<u32>().unwrap());
                return true;
            }
            false
        };
        let mut seen = 0;
        while seen < 40 + 37 * round {
            seen += usize::from(note(lines.next().unwrap().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had written to the pipe before it was killed was acknowledged too; a cut line wasn't.
        for line in lines.map_while(Result::ok) {
            note(line);
        }
        check(&path, &acknowledged);
    }
}

fn check(path: &Path, acknowledged: &BTreeMap<String, u32>) {
    let dir = DataDir::open(path).unwrap();
    let store = dir.store(&dir.unlock().unwrap()).unwrap();
    let keys = store.domains().unwrap().remove(0).keys;
    let member = Member::of("alpha");
    let get = |name: &str, version| store.retrieve(&keys, member.may(Action::Retrieve, name), version, NOW);
    for (name, last) in acknowledged {
        let latest = get(name, None).unwrap().version.unwrap().get();
        // One batch may have been durable, and its answer not yet written.
        assert!((*last..=last + 1).contains(&latest), "{name}: {latest}, acknowledged {last}");
        for version in 1..=latest {
            let entry = get(name, Version::new(version)).unwrap();
            assert!(entry.blob.expose() == blob(name, version), "{name} {version}");
        }
    }
    let report = claviger_store::audit::verify(&store, dir.audit_dir(), &keys, &|_, _| false).unwrap();
    assert_eq!(report.findings, []);
}
