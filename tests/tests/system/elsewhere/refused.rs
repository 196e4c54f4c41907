//! Who gets no domain from home, and no broker's certificate.

use std::fs;

use claviger_attest::{BrokerMeasurements, Purpose, Role, verify_broker};
use claviger_proto::DomainState;
use claviger_tests::admission::{Admission, request};
use claviger_tests::elsewhere::{apply, listed, pulled, simulated, wait_for, wait_for_another};
use claviger_tests::message::TrustResponse;
use rustls::pki_types::UnixTime;

use super::World;

const ENROLLMENT: &str = "broker-enrollment";
const STATE: &str = "broker-state";

/// The binding that a broker's evidence has on this channel.
fn binding(admission: &Admission, role: Role, purpose: Purpose) -> [u8; 64] {
    let (leaf, spki, nonce) = (admission.leaf(), admission.spki(), admission.nonce());
    admission.binding_as(role, purpose, leaf, &spki, &nonce)
}

#[track_caller]
fn granted(response: &TrustResponse) -> DomainState {
    assert_eq!(response.status(), "succeeded", "{:?}", response.code());
    DomainState::decode(response.artifact().unwrap()).unwrap()
}

#[test]
fn a_measurement_of_agents_makes_no_broker_and_one_of_brokers_no_agent() {
    let world = World::new();
    apply(&world.home, &world.fleet, &listed("measurement", &world.cloud, ""));
    let cloud = world.start();
    let told = wait_for(&cloud, "refused");
    assert!(told["why"].as_str().unwrap().contains("[[broker]]"), "{told}");
    assert_eq!(cloud.admin("domain list").run().ok()["domains"], serde_json::json!([]));
    apply(&world.home, &world.fleet, &listed("broker", &world.cloud, "may-issue = true"));
    wait_for(&cloud, "ok");
    let mut as_agent = world.fleet.machine("other");
    as_agent.platform.clone_from(&world.cloud.platform);
    world.fleet.enroll(&world.home, &as_agent).run().failed(6);
}

#[test]
fn one_that_is_listed_no_longer_gets_nothing_more() {
    let world = World::new();
    world.list("may-issue = true");
    let mut cloud = world.start();
    wait_for(&cloud, "ok");
    let enroll = |cloud: &claviger_tests::broker::Broker, label: &str| {
        let mut machine = world.fleet.machine(label);
        machine.platform.clone_from(&world.vm.platform);
        world.fleet.enroll(cloud, &machine).run()
    };
    world.fleet.enroll(&cloud, &world.vm).run().ok();
    claviger_tests::fleet::store(&cloud, &world.vm.state, "a", b"secret").run().ok();
    apply(&world.home, &world.fleet, &listed("measurement", &world.vm, ""));
    wait_for(&cloud, "refused");
    // It gives up the policy key, for good, and goes on serving the members.
    let held = |cloud: &claviger_tests::broker::Broker| {
        cloud.admin("domain show fleet").run().ok()["policy_key_held_by"].take()
    };
    assert_eq!(held(&cloud), "owner");
    enroll(&cloud, "late").failed(3).says(&["its home broker does"]);
    cloud.stop();
    cloud.serve();
    wait_for(&cloud, "refused");
    enroll(&cloud, "later").failed(3).says(&["its home broker does"]);
    let get = claviger_tests::fleet::retrieve(&cloud, &world.vm.state, "a").args("--out -");
    assert_eq!(get.run_text().stdout(), b"secret");
    world.fleet.verify_audit(&cloud);
    world.home.admin("acl preset --domain fleet closed").run().ok();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(pulled(&cloud)["state"], "refused");
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "members");
    // And takes up again where it is listed again.
    world.list("may-issue = true");
    wait_for_another(&cloud);
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "closed");
    assert_eq!(held(&cloud), "broker");
    enroll(&cloud, "again").ok();
}

#[test]
fn another_image_enrols_anew() {
    let world = World::new();
    world.list("");
    let mut cloud = world.start();
    wait_for(&cloud, "ok");
    cloud.stop();
    let next = world.fleet.machine("next");
    let tables = listed("broker", &next, "") + listed("measurement", &world.vm, "").as_str();
    apply(&world.home, &world.fleet, &tables);
    cloud.configure(claviger_tests::elsewhere::bootstrap(&world.home, &world.fleet, &simulated(&next)));
    cloud.serve();
    wait_for(&cloud, "ok");
    let enroll = world.fleet.enroll(&world.home, &world.vm);
    enroll.run().ok();
    let store = claviger_tests::fleet::store(&cloud, &world.vm.state, "a", b"secret");
    store.with("--broker-measurement", &next.measurement).run().ok();
}

#[test]
fn evidence_of_one_role_purpose_or_channel_is_none_of_another() {
    let world = World::new();
    // Even where one machine may be both.
    let tables =
        listed("broker", &world.cloud, "may-issue = true") + listed("measurement", &world.cloud, "").as_str();
    apply(&world.home, &world.fleet, &tables);
    let submit = |purpose: &str, role, bound| {
        let mut admission = Admission::begin(&world.home, &world.fleet);
        let bound = binding(&admission, role, bound);
        let evidence = world.cloud.evidence(&admission.spki(), &bound);
        admission.send(&request(evidence, purpose))
    };
    let state = granted(&submit(ENROLLMENT, Role::Broker, Purpose::Enroll));
    assert!(state.policy_key.is_some());
    let (leaf, domain) = (state.certificate.unwrap(), world.fleet.domain());
    let peer = verify_broker(&world.fleet.policy, &domain, &leaf, &BrokerMeasurements::Any, UnixTime::now());
    assert_eq!(peer.unwrap().measurement().map(ToString::to_string), Some(world.cloud.measurement.clone()));

    for (purpose, role, bound) in [
        (ENROLLMENT, Role::Agent, Purpose::Enroll),
        (ENROLLMENT, Role::Broker, Purpose::Freshness),
        (ENROLLMENT, Role::Broker, Purpose::Renew),
        (STATE, Role::Broker, Purpose::Enroll),
        ("authentication", Role::Broker, Purpose::Enroll),
    ] {
        let answer = submit(purpose, role, bound);
        assert_eq!(
            (answer.status(), answer.code()),
            ("failed", "attestation-refused"),
            "{purpose} {role} {bound:?}"
        );
        assert!(answer.artifact().is_none_or(<[u8]>::is_empty));
    }
    // The state needs a broker's certificate on the channel.
    assert_eq!(submit(STATE, Role::Broker, Purpose::Freshness).code(), "certificate-refused");
    let member = world.fleet.issue(Role::Agent, Some(&world.cloud.measurement));
    assert_eq!(state_as(&world, &member).code(), "certificate-refused");
    // And one of the measurement that is proven.
    let other = world.fleet.issue(Role::Broker, Some(&world.vm.measurement));
    assert_eq!(state_as(&world, &other).code(), "certificate-refused");
    let own = world.fleet.issue(Role::Broker, Some(&world.cloud.measurement));
    let state = granted(&state_as(&world, &own));
    assert!(state.certificate.is_none() && state.policy_key.is_some());
    world.fleet.verify_audit(&world.home);
}

fn state_as(world: &World, own: &claviger_tests::channel::Credentials) -> TrustResponse {
    let mut admission = Admission::begin_as(&world.home, &world.fleet, own);
    let bound = binding(&admission, Role::Broker, Purpose::Freshness);
    let evidence = world.cloud.evidence(&admission.spki(), &bound);
    admission.send(&request(evidence, STATE))
}

#[test]
fn the_list_of_brokers_is_the_one_of_when_the_evidence_comes() {
    let world = World::new();
    world.list("may-issue = true");
    let mut admission = Admission::begin(&world.home, &world.fleet);
    apply(&world.home, &world.fleet, &listed("measurement", &world.vm, ""));
    let bound = binding(&admission, Role::Broker, Purpose::Enroll);
    let evidence = world.cloud.evidence(&admission.spki(), &bound);
    let answer = admission.send(&request(evidence, ENROLLMENT));
    assert_eq!((answer.status(), answer.code()), ("failed", "attestation-refused"));
}

#[test]
fn bad_settings_start_nothing() {
    let world = World::new();
    let good = claviger_tests::elsewhere::bootstrap(&world.home, &world.fleet, &simulated(&world.cloud));
    let without = |key: &str| {
        good.lines().filter(|line| !line.starts_with(&format!("{key} "))).collect::<Vec<_>>().join("\n")
    };
    let made = |name: &str| {
        let dir = world.home.dir().join(name);
        fs::create_dir(&dir).unwrap();
        dir
    };
    let (bare, folder, foreign) = (made("bare"), made("folder"), made("foreign"));
    fs::copy(&world.fleet.policy_cert, folder.join("a.pem")).unwrap();
    fs::copy(&world.vm.root, foreign.join("a.pem")).unwrap();
    let in_folder = |dir: &std::path::Path| {
        format!("{}\nbootstrap_domains_dir = {:?}", without("bootstrap_domains"), dir.display().to_string())
    };
    let missing = good.replace("policy-cert", "no-such");
    for (config, says) in [
        (without("bootstrap"), "it needs bootstrap"),
        (without("bootstrap_evidence"), "bootstrap_evidence"),
        (without("bootstrap_domains"), "it names no domain"),
        (good.replace("= 1\n", "= 0\n"), "between 1 and 86400"),
        (good.replace("simulated-enclave:", "other:"), "evidence comes from"),
        (missing, "can't be got from home"),
        (in_folder(&bare), "there is no policy certificate"),
        (
            format!("{}\n{}", good.trim_end(), in_folder(&folder).lines().last().unwrap()),
            "fleet is there twice",
        ),
        (in_folder(&folder).lines().last().unwrap().to_owned(), "it needs bootstrap"),
        (in_folder(&foreign), "is no policy certificate"),
    ] {
        let mut broker = claviger_tests::broker::Broker::init(claviger_tests::broker::Setup::default());
        broker.configure(config.clone());
        let (status, said) = broker.try_serve().unwrap_err();
        assert_eq!(status.code(), Some(2), "{config}: {said}");
        assert!(said.contains(says), "{said}");
        assert!(
            fs::read_dir(broker.data_dir()).unwrap().all(|file| file.unwrap().file_name() != "admin.sock")
        );
    }
}
