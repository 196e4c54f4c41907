//! A canary: what is secret, and every name, is found in no file.

use std::path::Path;

use claviger_acl::Action;
use claviger_store::{AuditFacts, Command, DataDir, NewSlot, SegmentWriter};

use crate::common::{Member, create_domain, facts};

fn contents(path: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, all);
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn t17_neither_secrets_nor_names_are_in_any_file() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    let spec = NewSlot::File { path: temp.path().join("key") };
    let dir = DataDir::create(&path, &spec).unwrap();
    let store = dir.store(&dir.unlock().unwrap()).unwrap();
    let mut writer = store.writer().unwrap();
    let keys = create_domain(&mut writer, "canary-domain").unwrap();
    let member = Member::of("canary-domain");
    let large: Vec<u8> = b"canary-large-secret-".repeat(2_000);
    for (name, blob) in [("canary/name", &b"canary-secret"[..]), ("canary/large", &large)] {
        let put = claviger_store::PutEntry {
            keys: keys.clone(),
            permit: member.may(Action::Store, name),
            version: None,
            entry_type: "canary-type".parse().unwrap(),
            exportable: true,
            options: claviger_proto::key_service::PutOptions::default(),
            quota: claviger_store::Quota::default(),
            blob: claviger_proto::Secret::copy_from(blob),
            now: 1,
            audit: facts("canary-action"),
        };
        assert!(writer.commit(vec![Command::Put(put)])[0].is_ok());
    }
    let mut segment = SegmentWriter::open(dir.audit_dir(), keys, 0).unwrap();
    let name = Some("canary/name".to_owned());
    segment.append(&AuditFacts { name, ..facts("canary-action") }).unwrap();
    segment.sync().unwrap();
    drop((writer, store));

    let mut all = Vec::new();
    contents(temp.path(), &mut all);
    assert!(all.len() > 5);
    let key_file = std::fs::read(temp.path().join("key")).unwrap();
    let secrets = [
        &b"canary"[..],
        b"policy key",
        b"broker key",
        b"policy certificate",
        b"references",
        b"access rules",
        b"192.0.2.7",
    ];
    for (path, content) in &all {
        assert!(!path.contains("canary"), "{path}");
        for secret in secrets {
            assert!(!content.windows(secret.len()).any(|part| part == secret), "{path}");
        }
        let is_key_file = path.ends_with("/key");
        assert_eq!(content.windows(32).any(|part| part == key_file), is_key_file, "{path}");
    }
}
