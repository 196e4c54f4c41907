use super::*;
use crate::error::RevocationError;
use crate::revocation::{MAX_REVOCATIONS, Revocation, Revocations, Revoked};

fn revocation(kind: &str, what: &str, until: Option<u64>) -> Result<Revocation, RevocationError> {
    let seconds = |time: u64| i64::try_from(time).expect("a time");
    let what = Revoked::new(kind, what)?;
    Revocation::new(what, "a reason".to_owned(), "operator".to_owned(), seconds(NOW), until.map(seconds))
}

fn only(kind: &str, what: &str, until: Option<u64>) -> Revocations {
    let mut all = Revocations::default();
    all.add(revocation(kind, what, until).expect("a revocation"), at(NOW)).expect("room");
    // As the store keeps them.
    serde_json::from_slice(&serde_json::to_vec(&all).expect("JSON")).expect("the same")
}

fn member(change: impl FnOnce(&mut AdmissionExtension)) -> Peer {
    let mut extension = AdmissionExtension::new(Role::Agent);
    change(&mut extension);
    WORLD.agent(&Fake::plain().with(admission(&extension.encode())).sign()).expect("a member")
}

#[test]
fn t09_each_kind_of_revocation_refuses_what_it_names_and_nothing_else() {
    let peer = member(|extension| {
        extension.instance = Some(vec![7; 32]);
        extension.instance_label = Some("vm-7".to_owned());
        extension.enrolment = Some([8; 32]);
    });
    let twin = member(|extension| {
        extension.instance = Some(vec![9; 32]);
        extension.instance_label = Some("vm-9".to_owned());
        extension.enrolment = Some([10; 32]);
    });
    let plain = WORLD.agent(&Fake::plain().sign()).expect("a member");
    let fingerprint = hex::encode(peer.fingerprint());
    let cases = [
        ("certificate", fingerprint.as_str()),
        ("enrolment", &"08".repeat(32)),
        ("instance", &"07".repeat(32)),
        ("instance", "vm-7"),
    ];
    for (kind, what) in cases {
        let revoked = only(kind, what, None);
        assert_eq!(revoked.check_peer(&peer, at(NOW)), Err(CertificateError::Revoked { kind }), "{what}");
        assert_eq!(revoked.check_peer(&twin, at(NOW)), Ok(()), "{kind}");
        assert_eq!(revoked.check_peer(&plain, at(NOW)), Ok(()), "{kind}");
    }
    // A fingerprint is of one certificate, and an enrolment's is not that of what was renewed from it.
    assert_eq!(only("enrolment", &fingerprint, None).check_peer(&peer, at(NOW)), Ok(()));
    assert_eq!(only("certificate", &"08".repeat(32), None).check_peer(&peer, at(NOW)), Ok(()));
    // Who says no enrolment is its own.
    let own = only("enrolment", &hex::encode(plain.fingerprint()), None);
    assert!(own.check_peer(&plain, at(NOW)).is_err());
    let all = only("measurement", &"5a".repeat(32), None);
    for peer in [&peer, &twin, &plain] {
        let kind = "measurement";
        assert_eq!(all.check_peer(peer, at(NOW)), Err(CertificateError::Revoked { kind }));
    }
    assert_eq!(only("measurement", &"5b".repeat(32), None).check_peer(&plain, at(NOW)), Ok(()));
    assert_eq!(only("principal", "vm-7", None).check_peer(&peer, at(NOW)), Ok(()));
}

#[test]
fn a_revocation_counts_through_its_last_second_and_is_then_forgotten() {
    let peer = WORLD.agent(&Fake::plain().sign()).expect("a member");
    let mut all = only("certificate", &hex::encode(peer.fingerprint()), Some(NOW + 10));
    assert!(all.check_peer(&peer, at(NOW + 10)).is_err());
    assert_eq!(all.check_peer(&peer, at(NOW + 11)), Ok(()));
    all.add(revocation("instance", "a", None).expect("good"), at(NOW + 10)).expect("room");
    assert_eq!(all.iter().count(), 2);
    all.add(revocation("instance", "b", None).expect("good"), at(NOW + 11)).expect("room");
    assert_eq!(all.iter().count(), 2, "what is over makes room");
}

#[test]
fn there_is_room_for_so_many_and_the_same_again_takes_no_more() {
    let mut all = Revocations::default();
    let add = |all: &mut Revocations, label: &str| {
        all.add(revocation("instance", label, None).expect("good"), at(NOW))
    };
    for n in 0..MAX_REVOCATIONS {
        add(&mut all, &format!("vm-{n}")).expect("room");
    }
    add(&mut all, "vm-0").expect("it is there already");
    assert_eq!(add(&mut all.clone(), "another"), Err(RevocationError::Many));
    // In what travels to brokers elsewhere there is room for the longest, a quarter of a MiB.
    let long = |n: usize| {
        let what = Revoked::new("measurement", &format!("{n:096x}")).expect("good");
        let last = Some(i64::MAX);
        Revocation::new(what, "\\".repeat(128), "operator".to_owned(), i64::MAX - 1, last).expect("good")
    };
    let longest = Revocations::from((0..MAX_REVOCATIONS).map(long).collect::<Vec<_>>());
    assert!(serde_json::to_vec(&longest).expect("JSON").len() <= 300 << 10);
    assert!(all.remove(&Revoked::new("instance", "vm-0").expect("good")));
    assert!(!all.remove(&Revoked::new("instance", "vm-0").expect("good")));
}

#[test]
fn what_names_nothing_is_refused() {
    let fault = |kind, what: &str| revocation(kind, what, None).expect_err(what);
    let hex = "ab".repeat(32);
    assert_eq!(fault("machine", &hex), RevocationError::Kind);
    assert_eq!(fault("certificate", &hex.to_uppercase()), RevocationError::Fingerprint);
    assert_eq!(fault("certificate", &"ab".repeat(48)), RevocationError::Fingerprint);
    assert_eq!(fault("enrolment", "vm-7"), RevocationError::Fingerprint);
    assert_eq!(fault("instance", "a/b"), RevocationError::Instance);
    assert_eq!(fault("instance", &hex.to_uppercase()), RevocationError::Instance);
    assert_eq!(fault("measurement", "ab"), RevocationError::Measurement);
    assert_eq!(fault("principal", "a b"), RevocationError::Principal);
    let fault = |kind, until| revocation(kind, "ops", until).expect_err(kind);
    assert_eq!(fault("principal", Some(NOW + 1)), RevocationError::PrincipalUntil);
    assert_eq!(fault("instance", Some(NOW)), RevocationError::Over);
    let what = Revoked::new("instance", "a").expect("good");
    for reason in ["a".repeat(129), "a\nb".to_owned(), "\u{1b}[2J".to_owned()] {
        let made = Revocation::new(what.clone(), reason, String::new(), 0, None);
        assert_eq!(made, Err(RevocationError::Reason));
    }
}
