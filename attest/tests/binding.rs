//! The binding is the documented hash, and every part of it counts.

use claviger_attest::{Binding, EXPORTER_LEN, Purpose, Role, exporter_label};

fn binding() -> Binding<'static> {
    Binding {
        role: Role::Agent,
        purpose: Purpose::Enroll,
        policy_digest: &[1; 48],
        nonce: &[2; 32],
        client_leaf: &[3; 48],
        server_leaf: &[4; 48],
        new_spki: None,
        exporter: &[5; 48],
    }
}

/// Computed by another program, from the description in the protocol.
#[test]
fn known_answers() {
    assert_eq!(
        hex::encode(binding().digest()),
        concat!(
            "0eda830905b6ca124e10925311b97325fb267cf14a75695ec5c22033a31c3795",
            "1310b4b03473209b0196f4e0a9a84c70f6fd24bf25dd738f7782aeb32a80a90a"
        )
    );
    let other =
        Binding { role: Role::Broker, purpose: Purpose::Renew, new_spki: Some(&[6; 48]), ..binding() };
    assert_eq!(
        hex::encode(other.digest()),
        concat!(
            "b24c72e216663655d6e15729d1dbf2c117541135174111c2d5cea529b3b6d4ba",
            "9fa6f82c654610b832b322c10bc6c03606066ee115bd01e4a815aa6342bae706"
        )
    );
}

#[test]
fn t01_every_part_counts() {
    let good = binding();
    let others = [
        Binding { role: Role::Broker, ..good },
        Binding { purpose: Purpose::Renew, ..good },
        Binding { purpose: Purpose::Freshness, ..good },
        Binding { purpose: Purpose::Principal, ..good },
        Binding { policy_digest: &[9; 48], ..good },
        Binding { nonce: &[9; 32], ..good },
        Binding { client_leaf: &[9; 48], ..good },
        Binding { server_leaf: &[9; 48], ..good },
        Binding { new_spki: Some(&[9; 48]), ..good },
        Binding { exporter: &[9; 48], ..good },
    ];
    let mut digests: Vec<_> = others.iter().chain([&good]).map(Binding::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), others.len() + 1);
}

#[test]
fn labels_name_the_role() {
    assert_eq!(exporter_label(Role::Agent), b"EXPERIMENTAL claviger attest agent");
    assert_eq!(exporter_label(Role::Broker), b"EXPERIMENTAL claviger attest broker");
    assert_eq!(EXPORTER_LEN, 48);
}
