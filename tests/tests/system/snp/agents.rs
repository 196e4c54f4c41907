//! What agents do: enrol, renew, be fresh; and what a binding stops.

use claviger_attest::{KeyAlgorithm, Purpose, SigningKey};
use claviger_tests::admission::{Admission, renewal};
use claviger_tests::fleet::{retrieve, store};
use claviger_tests::proving::{Prover, freshness};

use super::World;

#[test]
fn a_machine_enrols_renews_and_gets_its_secret_on_fresh_evidence() {
    let world = World::new();
    let machine = world.enrolled("vm");
    let World { broker, fleet, platform } = &world;
    let status = |what: &str| {
        let run = claviger_tests::programs::command("key-client").arg("status");
        run.with("--state-dir", &machine.state).run().ok()["certificate"][what].clone()
    };
    assert_eq!(status("measurement"), platform.measurement());
    store(broker, &machine.state, "disks/a", b"secret").run().ok();
    let before = status("fingerprint");
    world.renew(&machine).run().ok();
    assert_ne!(status("fingerprint"), before);

    let set = broker.admin("acl rules set --domain fleet -");
    set.stdin(&b"p, member, fleet, disks/**, retrieve, deny, unless fresh-within 5m\n"[..]).run().ok();
    let got = retrieve(broker, &machine.state, "disks/a").args("--out -").run_text();
    assert_eq!((got.code(), got.stdout()), (Some(0), &b"secret"[..]), "{got}");
    // By hand: the challenge is answered once, on its channel.
    let (mut one, mut other) = (Prover::of(broker, fleet, &machine), Prover::of(broker, fleet, &machine));
    let (nonce, _) = (one.challenged("disks/a"), other.challenged("disks/a"));
    let body = freshness(&platform.evidence(&one.parts(Purpose::Freshness, nonce).digest(), None));
    other.channel.request(&body).refused("attestation-refused");
    one.channel.request(&body).ok();
    assert_eq!(one.retrieve("disks/a").blob(), b"secret");
    one.channel.request(&body).refused("refused");
    other.challenged("disks/a");
    // Not by a report whose chip's key didn't sign.
    let mut forger = Prover::of(broker, fleet, &machine);
    let nonce = forger.challenged("disks/a");
    platform.change(|shape| shape.forged = true);
    let body = freshness(&platform.evidence(&forger.parts(Purpose::Freshness, nonce).digest(), None));
    forger.channel.request(&body).refused("attestation-refused");
    forger.challenged("disks/a");
    fleet.verify_audit(broker);
}

#[test]
fn t40_a_report_of_another_session_or_of_none_is_refused() {
    let world = World::new();
    let World { broker, fleet, platform } = &world;
    let refused = |binding: &dyn Fn(&Admission) -> [u8; 64]| {
        let mut admission = Admission::begin(broker, fleet);
        let answer = admission.submit(platform.evidence(&binding(&admission), None));
        assert_eq!((answer.code(), answer.artifact()), ("attestation-refused", None));
    };
    refused(&|_| [0; 64]);
    refused(&|_| [0xff; 64]);
    refused(&|own| own.binding_with(&[7; 32]));
    refused(&|own| {
        let spki = own.spki();
        own.binding_of(Purpose::Renew, own.leaf(), &spki, &own.nonce())
    });
    let elsewhere = Admission::begin(broker, fleet).binding();
    refused(&|_| elsewhere);
    assert!(broker.log().contains("report-data"), "{}", broker.log());
    let mut admission = Admission::begin(broker, fleet);
    let good = platform.evidence(&admission.binding(), None);
    assert_eq!(admission.submit(good).status(), "succeeded");
    // A renewal's is for the new key, and for no other.
    let machine = world.enrolled("vm");
    let new = || SigningKey::generate(KeyAlgorithm::P256).unwrap();
    let (one, another) = (new(), new());
    let mut admission = Admission::begin_as(broker, fleet, &machine.credentials());
    let binding = admission.renewal_binding(&one);
    let body = renewal(platform.evidence(&binding, None), &another, &binding);
    assert_eq!(admission.send(&body).code(), "attestation-refused");
    let mut admission = Admission::begin_as(broker, fleet, &machine.credentials());
    let binding = admission.renewal_binding(&one);
    let body = renewal(platform.evidence(&binding, None), &one, &binding);
    assert_eq!(admission.send(&body).status(), "succeeded");
}
