//! A broker elsewhere (scenario 2): it enrols at home as a broker, gets the domain, and serves it.

mod refused;
mod snp;

use std::fs;

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::elsewhere::{apply, bootstrap, listed, simulated, start, wait_for, wait_for_another};
use claviger_tests::fleet::{Fleet, Machine, retrieve, store};

/// A home broker with a domain, the machine of a broker elsewhere, and a VM.
struct World {
    home: Broker,
    fleet: Fleet,
    cloud: Machine,
    vm: Machine,
}

impl World {
    fn new() -> Self {
        let home = Broker::start();
        let fleet = Fleet::create(&home, "fleet", "members");
        let (cloud, vm) = (fleet.machine("cloud"), fleet.machine("vm"));
        Self { home, fleet, cloud, vm }
    }

    /// Lists the VM, and the broker with these words about it.
    fn list(&self, about_broker: &str) {
        let tables = listed("measurement", &self.vm, "label = \"web\"")
            + listed("broker", &self.cloud, about_broker).as_str();
        apply(&self.home, &self.fleet, &tables);
    }

    fn start(&self) -> Broker {
        start(&self.home, &self.fleet, &simulated(&self.cloud))
    }
}

#[test]
fn it_serves_what_home_was_given_and_goes_on_when_home_is_away() {
    let mut world = World::new();
    world.list("may-issue = true");
    let mut cloud = world.start();
    wait_for(&cloud, "ok");
    let domain = cloud.admin("domain show fleet").run().ok();
    assert_eq!((&domain["preset"], &domain["policy_key_held_by"]), (&"members".into(), &"broker".into()));
    assert_eq!(domain["references"], 1);
    let measurement = world.cloud.measurement.clone();
    let enroll = |broker: &Broker, machine: &Machine| {
        world.fleet.enroll(broker, machine).with("--broker-measurement", &measurement).run().ok()
    };
    enroll(&cloud, &world.vm);
    store(&cloud, &world.vm.state, "a", b"secret").run().ok();
    // Key and certificate never leave their places as text.
    let key = fs::read(&world.fleet.policy_key).unwrap();
    assert!(!cloud.log().contains(std::str::from_utf8(&key).unwrap().lines().nth(1).unwrap()));
    let given = world.home.admin("audit list --domain fleet --action broker-enroll").run().ok();
    let record = &given["records"][0];
    let said = (&record["role"], &record["measurement"], &record["reason"]);
    let expected = ("broker", world.cloud.measurement.as_str(), "it was given the policy key");
    assert_eq!(said, (&expected.0.into(), &expected.1.into(), &expected.2.into()), "{record}");

    world.home.stop();
    let told = wait_for(&cloud, "unreachable");
    assert!(told["why"].as_str().unwrap().contains("can't be reached"), "{told}");
    assert!(cloud.page("/metrics").1.contains("claviger_bootstrap_pulls_total{result=\"unreachable\"}"));
    // From what it has sealed, and admitting by itself.
    cloud.stop();
    cloud.serve();
    assert_eq!(retrieve(&cloud, &world.vm.state, "a").args("--out -").run_text().stdout(), b"secret");
    fs::remove_dir_all(&world.vm.state).unwrap();
    enroll(&cloud, &world.vm);
    wait_for(&cloud, "unreachable");
    world.fleet.verify_audit(&cloud);
}

#[test]
fn quotas_are_each_broker_s_own_and_do_not_travel() {
    let world = World::new();
    world.list("may-issue = true");
    let cloud = world.start();
    wait_for(&cloud, "ok");
    world.home.admin("quota set --domain fleet --names 7").run().ok();
    cloud.admin("quota set --domain fleet --names 1").run().ok();
    world.fleet.enroll(&cloud, &world.vm).run().ok();
    store(&cloud, &world.vm.state, "a", b"secret").run().ok();
    store(&cloud, &world.vm.state, "b", b"secret").run().failed(3).is("quota-exceeded");
    // Whatever else comes from home.
    world.home.admin("acl preset --domain fleet provisioned").run().ok();
    wait_for_another(&cloud);
    let names =
        |broker: &Broker| broker.admin("quota show --domain fleet").run().ok()["set"]["names"].clone();
    assert_eq!((names(&cloud), names(&world.home)), (1.into(), 7.into()));
    world.fleet.verify_audit(&cloud);
}

#[test]
fn what_changes_at_home_comes_after_it_and_nothing_is_changed_there() {
    let world = World::new();
    world.list("may-issue = true");
    let cloud = world.start();
    wait_for(&cloud, "ok");
    world.fleet.enroll(&cloud, &world.vm).run().ok();
    store(&cloud, &world.vm.state, "a", b"secret").run().ok();

    for line in ["acl preset --domain fleet closed", "trust remove --domain fleet --kind simulated-enclave"] {
        let mut call = cloud.admin(line);
        if line.starts_with("trust") {
            call = call.with("--measurement", &world.vm.measurement);
        }
        let refused = call.run().failed(5);
        assert!(refused.next.contains("at its home broker"), "{}", refused.next);
        refused.says(&["its home broker", "changed there"]);
    }
    world.home.admin("acl preset --domain fleet closed").run().ok();
    wait_for_another(&cloud);
    retrieve(&cloud, &world.vm.state, "a").args("--out -").run().failed(4);

    // The key is taken back, and the measurement of the VM.
    world.home.admin("acl preset --domain fleet members").run().ok();
    apply(&world.home, &world.fleet, &listed("broker", &world.cloud, ""));
    wait_for_another(&cloud);
    assert_eq!(retrieve(&cloud, &world.vm.state, "a").args("--out -").run_text().stdout(), b"secret");
    let domain = cloud.admin("domain show fleet").run().ok();
    assert_eq!((&domain["references"], &domain["policy_key_held_by"]), (&0.into(), &"owner".into()));
    world.fleet.verify_audit(&cloud);
    world.fleet.verify_audit(&world.home);
}

#[test]
fn without_the_key_it_serves_whom_home_admits() {
    let world = World::new();
    world.list("");
    let cloud = world.start();
    wait_for(&cloud, "ok");
    world.fleet.enroll(&cloud, &world.vm).run().failed(3).says(&["its home broker does"]);
    assert!(cloud.log().contains("list it with may-issue = true"), "{}", cloud.log());
    world.fleet.enroll(&world.home, &world.vm).run().ok();
    store(&cloud, &world.vm.state, "a", b"secret").run().ok();
    assert_eq!(retrieve(&cloud, &world.vm.state, "a").args("--out -").run_text().stdout(), b"secret");
    // What is stored here is here only.
    retrieve(&world.home, &world.vm.state, "a").args("--out -").run().failed(4);
}

#[test]
fn an_agent_demands_what_its_broker_runs_and_remembers_it() {
    let world = World::new();
    world.list("may-issue = true");
    let cloud = world.start();
    wait_for(&cloud, "ok");
    let demand = |broker: &Broker, measurement: &str| {
        world.fleet.enroll(broker, &world.vm).with("--broker-measurement", measurement).run()
    };
    // Home says nothing of what it runs, and the broker elsewhere something else.
    let at_home = demand(&world.home, &world.cloud.measurement).failed(3);
    assert!(
        at_home.next.contains("--broker-measurement") && at_home.next.contains("home broker"),
        "{}",
        at_home.next
    );
    at_home.says(&["measurement"]);
    demand(&cloud, &world.vm.measurement).failed(3).says(&["measurement"]);
    // No kind of evidence has measurements of this length.
    let bad = demand(&cloud, &world.cloud.measurement[2..]);
    bad.failed(2).says(&["--broker-measurement", "64 or 96 lowercase hex digits"]);
    demand(&cloud, &world.cloud.measurement).ok();
    store(&cloud, &world.vm.state, "a", b"secret").run().ok();
    store(&world.home, &world.vm.state, "a", b"secret").run().failed(3).says(&["measurement"]);
    let other = retrieve(&cloud, &world.vm.state, "a").args("--out -");
    other.with("--broker-measurement", &world.vm.measurement).run().failed(3).says(&["measurement"]);
    // A renewal keeps it, or takes another.
    let renew = |broker: &Broker| {
        let call = claviger_tests::programs::command("key-client").arg("renew");
        let call =
            call.with("--admission", broker.admission.to_string()).with("--evidence", simulated(&world.vm));
        call.with("--state-dir", &world.vm.state).run()
    };
    renew(&world.home).failed(3).says(&["measurement"]);
    renew(&cloud).ok();
    store(&world.home, &world.vm.state, "a", b"secret").run().failed(3).says(&["measurement"]);
    // And so does an enrolment in the place of the old one.
    let replace = |broker: &Broker| world.fleet.enroll(broker, &world.vm).arg("--replace").run();
    replace(&world.home).failed(3).says(&["measurement"]);
    replace(&cloud).ok();
    store(&world.home, &world.vm.state, "a", b"secret").run().failed(3).says(&["measurement"]);
}

/// An older home than the one that a broker elsewhere knew before it was started for the last time, and this happened to
/// it before.
fn an_older_home_is_not_taken(meanwhile: impl FnOnce(&World, &mut Broker)) {
    let mut world = World::new();
    world.list("may-issue = true");
    let saved = world.home.dir().join("saved");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let done = std::process::Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    world.home.stop();
    copy(&world.home.data_dir(), &saved);
    world.home.serve();
    let mut cloud = world.start();
    wait_for(&cloud, "ok");
    world.home.admin("acl preset --domain fleet closed").run().ok();
    wait_for_another(&cloud);
    cloud.stop();
    meanwhile(&world, &mut cloud);

    world.home.stop();
    fs::remove_dir_all(world.home.data_dir()).unwrap();
    copy(&saved, &world.home.data_dir());
    world.home.serve();
    cloud.configure(bootstrap(&world.home, &world.fleet, &simulated(&world.cloud)));
    cloud.serve();
    let told = wait_for(&cloud, "not-taken");
    assert!(told["why"].as_str().unwrap().contains("older"), "{told}");
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "closed");
}

#[test]
fn t43_an_older_home_is_not_taken() {
    an_older_home_is_not_taken(|_, _| ());
}

#[test]
fn t43_nor_by_a_broker_that_got_only_another_domain_meanwhile() {
    an_older_home_is_not_taken(|world, cloud| {
        let other = Fleet::create(&world.home, "other", "members");
        apply(&world.home, &other, &listed("broker", &world.cloud, ""));
        cloud.configure(bootstrap(&world.home, &other, &simulated(&world.cloud)));
        cloud.serve();
        wait_for(cloud, "ok");
        assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "closed");
        cloud.admin("domain delete fleet").run().failed(5).is("conflict");
        cloud.stop();
    });
}

#[test]
fn the_policy_certificates_of_a_folder_name_their_domains() {
    let world = World::new();
    world.list("");
    let folder = world.home.dir().join("domains");
    fs::create_dir(&folder).unwrap();
    fs::copy(&world.fleet.policy_cert, folder.join("whatever.pem")).unwrap();
    fs::write(folder.join("README"), "not a certificate").unwrap();
    let config = bootstrap(&world.home, &world.fleet, &simulated(&world.cloud));
    let config = config.lines().filter(|line| !line.starts_with("bootstrap_domains ")).collect::<Vec<_>>();
    let config =
        format!("{}\nbootstrap_domains_dir = {:?}\n", config.join("\n"), folder.display().to_string());
    let cloud = Broker::start_with(Setup { config, ..Setup::default() });
    assert_eq!(wait_for(&cloud, "ok")["domain"], "fleet");
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "members");
}

#[test]
fn a_broker_elsewhere_is_nobody_s_home() {
    let world = World::new();
    world.list("may-issue = true");
    let cloud = world.start();
    wait_for(&cloud, "ok");
    let third = start(&cloud, &world.fleet, &simulated(&world.cloud));
    let told = wait_for(&third, "refused");
    assert!(told["why"].as_str().unwrap().contains("ask that one"), "{told}");
    assert_eq!(third.admin("domain list").run().ok()["domains"], serde_json::json!([]));
}

#[test]
fn what_fails_is_tried_again_soon_however_seldom_home_is_looked_at() {
    let world = World::new();
    let config = bootstrap(&world.home, &world.fleet, &simulated(&world.cloud)).replace("= 1\n", "= 86400\n");
    let cloud = Broker::start_with(Setup { config, ..Setup::default() });
    wait_for(&cloud, "refused");
    let last_ok = || {
        let (_, page) = cloud.page("/metrics");
        let line =
            page.lines().find(|line| line.starts_with("claviger_bootstrap_last_ok_timestamp_seconds "));
        line.is_some_and(|line| !line.ends_with(" 0"))
    };
    assert!(!last_ok(), "it was never got");
    world.list("");
    wait_for(&cloud, "ok");
    assert!(last_ok());
}

#[test]
fn t43_nothing_on_its_admin_socket_makes_it_forget_how_far_home_was() {
    let mut world = World::new();
    world.list("may-issue = true");
    let mut cloud = world.start();
    wait_for(&cloud, "ok");
    let delete_and_create = |cloud: &Broker| {
        let refused = cloud.admin("domain delete fleet").run().failed(5);
        refused.is("conflict").says(&["its home broker", "isn't deleted here", "key-broker init"]);
        world.fleet.create_on(cloud, "members").failed(5).is("conflict");
    };
    delete_and_create(&cloud);
    // Also where it has no home any more, or one for something else.
    cloud.stop();
    cloud.configure("");
    cloud.serve();
    delete_and_create(&cloud);
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "members");
    // What it knew it knows when it has a home again: another domain of that name is none of its.
    world.home.admin("domain delete fleet").run().ok();
    world.fleet.create_on(&world.home, "closed").ok();
    world.list("may-issue = true");
    cloud.stop();
    cloud.configure(bootstrap(&world.home, &world.fleet, &simulated(&world.cloud)));
    cloud.serve();
    let told = wait_for(&cloud, "not-taken");
    assert!(told["why"].as_str().unwrap().contains("another domain of this name"), "{told}");
    delete_and_create(&cloud);
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "members");
    world.home.stop();
}

#[test]
fn a_domain_made_here_is_not_pulled_over() {
    let world = World::new();
    world.list("");
    let mut cloud = Broker::init(Setup::default());
    cloud.serve();
    world.fleet.create_on(&cloud, "closed").ok();
    cloud.stop();
    cloud.configure(bootstrap(&world.home, &world.fleet, &simulated(&world.cloud)));
    cloud.serve();
    let told = wait_for(&cloud, "not-taken");
    assert!(told["why"].as_str().unwrap().contains("made on this broker"), "{told}");
    assert_eq!(cloud.admin("domain show fleet").run().ok()["preset"], "closed");
}
