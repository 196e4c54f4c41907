//! Rows 38 and 39: a measurement is not a machine.

use std::path::{Path, PathBuf};
use std::sync::Barrier;

use claviger_proto::Secret;
use claviger_proto::evidence::EvidenceUserData;
use claviger_tests::admission::Admission;
use claviger_tests::broker::Broker;
use claviger_tests::fleet::{Fleet, Machine, retrieve, store};
use claviger_tests::programs::{Call, command};
use serde_json::Value;

/// A domain that demands tickets, and a machine of it that has none.
struct World {
    broker: Broker,
    fleet: Fleet,
    machine: Machine,
}

struct Ticket {
    /// Hex.
    secret: String,
    /// Hex.
    id: String,
}

impl World {
    fn demanding(demand: &str, preset: &str) -> Self {
        let broker = Broker::start();
        let fleet = Fleet::create(&broker, "fleet", preset);
        let machine = fleet.machine("vm");
        apply(&broker, &fleet, &machine, demand);
        Self { broker, fleet, machine }
    }

    fn ticket(&self, more: &str) -> Ticket {
        ticket(&self.broker, "fleet", more)
    }

    /// The ticket's file.
    fn file(&self, name: &str, ticket: &Ticket) -> PathBuf {
        self.broker.file(name, format!("{}\n", ticket.secret))
    }

    /// Another machine with the same files, so with the same measurement.
    fn clone_of_the_machine(&self, label: &str) -> Machine {
        Machine {
            platform: self.machine.platform.clone(),
            state: self.machine.state.with_file_name(format!("state-{label}")),
            measurement: self.machine.measurement.clone(),
            root: self.machine.root.clone(),
        }
    }

    fn enroll(&self, machine: &Machine, ticket: &Path) -> Call {
        self.fleet.enroll(&self.broker, machine).with("--ticket-file", ticket)
    }

    fn listed(&self, id: &str) -> Value {
        let all = self.broker.admin("ticket list --domain fleet").run().ok();
        all["tickets"].as_array().unwrap().iter().find(|ticket| ticket["id"] == *id).unwrap().clone()
    }

    /// An enrolment by hand that is about to show this ticket.
    fn about_to_show(&self, ticket: &Ticket) -> (Admission, Vec<u8>) {
        let admission = Admission::begin(&self.broker, &self.fleet);
        let secret = Secret::new(hex::decode(&ticket.secret).unwrap());
        let said = EvidenceUserData::with_ticket(&secret);
        let evidence = self.machine.evidence_with(&admission.spki(), &admission.binding(), Some(&said));
        (admission, claviger_tests::admission::request(evidence, "authentication"))
    }
}

fn apply(broker: &Broker, fleet: &Fleet, machine: &Machine, demand: &str) {
    let text = format!(
        "format = 1\n[instance]\ndemand = {demand:?}\n[[measurement]]\nkind = \"simulated-enclave\"\n\
         value = {:?}\nroots = [{:?}]\n",
        machine.measurement,
        machine.root.display().to_string()
    );
    let file = broker.file(&format!("{}.toml", fleet.name), text);
    let apply = broker.admin("policy apply").arg(file).with("--domain", &fleet.name);
    assert_eq!(apply.run().ok()["changed"], true);
}

fn ticket(broker: &Broker, domain: &str, more: &str) -> Ticket {
    let made = broker.admin("ticket create").with("--domain", domain).args(more).run().ok();
    let text = |key: &str| made["tickets"][0][key].as_str().unwrap().to_owned();
    Ticket { secret: text("ticket"), id: text("id") }
}

#[test]
fn t38_the_owner_s_image_without_a_ticket_of_its_domain_is_refused() {
    let world = World::demanding("ticket", "members");
    let refused = |call: Call, word: &str| {
        call.run().failed(6).is("attestation-refused").says(&[word]);
        assert!(!world.machine.state.exists() || !world.machine.state.join("cryptstore").exists());
    };
    refused(world.fleet.enroll(&world.broker, &world.machine), "which one it is, by ticket");
    let enroll = |name: &str, ticket: &Ticket| world.enroll(&world.machine, &world.file(name, ticket));

    let revoked = world.ticket("");
    world.broker.admin("ticket revoke --domain fleet").arg(&revoked.id).run().ok();
    refused(enroll("revoked", &revoked), "was revoked");
    let expired = world.ticket("--expires-in 1s");
    std::thread::sleep(std::time::Duration::from_secs(2));
    refused(enroll("expired", &expired), "has expired");
    let other = Fleet::create(&world.broker, "other", "members");
    apply(&world.broker, &other, &world.machine, "ticket");
    refused(enroll("foreign", &ticket(&world.broker, "other", "")), "isn't one of this domain");
    let made_up = Ticket { secret: "ab".repeat(32), id: String::new() };
    refused(enroll("made-up", &made_up), "isn't one of this domain");
    // The id is no ticket: whoever reads the broker's list can't use it.
    let good = world.ticket("--label vm-7");
    refused(enroll("id", &Ticket { secret: good.id.clone(), id: String::new() }), "isn't one of this domain");

    let enrolled = enroll("good", &good).run().ok();
    assert_eq!(
        (&enrolled["instance"], &enrolled["instance_label"]),
        (&good.id.clone().into(), &"vm-7".into())
    );
    assert_eq!(world.listed(&good.id)["used_by"], enrolled["certificate_fingerprint"]);
    let states = [(&revoked.id, "revoked"), (&expired.id, "expired"), (&good.id, "used")];
    for (id, state) in states {
        assert_eq!(world.listed(id)["state"], state);
    }
    assert_eq!(
        (&world.listed(&revoked.id)["refused"], &world.listed(&good.id)["refused"]),
        (&1.into(), &0.into())
    );
    // What is used can't be taken back.
    world.broker.admin("ticket revoke --domain fleet").arg(&good.id).run().failed(5);
    world.fleet.verify_audit(&world.broker);
}

#[test]
fn t39_of_two_connections_with_one_ticket_one_succeeds_and_the_other_is_reported() {
    let world = World::demanding("ticket", "members");
    for round in 0..4 {
        let ticket = world.ticket("");
        let barrier = Barrier::new(2);
        let mut answers = std::thread::scope(|scope| {
            let both = [(), ()].map(|()| {
                scope.spawn(|| {
                    let (mut admission, request) = world.about_to_show(&ticket);
                    barrier.wait();
                    let answer = admission.send(&request);
                    (answer.status().to_owned(), answer.artifact().is_some(), answer.code().to_owned())
                })
            });
            both.map(|thread| thread.join().unwrap())
        });
        answers.sort();
        assert_eq!(
            answers[0],
            ("failed".to_owned(), false, "attestation-refused".to_owned()),
            "round {round}"
        );
        assert_eq!(answers[1].0, "succeeded", "round {round}");
        let listed = world.listed(&ticket.id);
        assert_eq!((&listed["state"], &listed["refused"]), (&"used".into(), &1.into()));
        assert!(listed["refused_last"].is_i64());
    }
    assert!(world.broker.log().contains("a launch ticket is refused"));
    let (_, metrics) = world.broker.page("/metrics");
    assert!(metrics.contains("claviger_tickets_refused_total{fault=\"used\"} 4"), "{metrics}");
    world.fleet.verify_audit(&world.broker);
}

#[test]
fn t39_a_ticket_whose_answer_was_lost_stays_used_also_after_kill_9() {
    let mut world = World::demanding("ticket", "members");
    let ticket = world.ticket("");
    // The machine is gone when its certificate would come.
    let (mut admission, request) = world.about_to_show(&ticket);
    admission.channel().send(&request).unwrap();
    drop(admission);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.listed(&ticket.id)["state"] != "used" {
        assert!(std::time::Instant::now() < end, "it isn't used");
    }
    let pid = rustix::process::Pid::from_raw(world.broker.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    world.broker.kill_done();
    world.broker.serve();
    let file = world.file("ticket", &ticket);
    world.enroll(&world.machine, &file).run().failed(6).says(&["was used already"]);
    assert_eq!(world.listed(&ticket.id)["refused"], 1);
}

#[test]
fn t39_a_clone_gets_no_key_of_its_twin_s() {
    let world = World::demanding("none", "instances");
    let [clone, none] = ["clone", "none"].map(|label| world.clone_of_the_machine(label));
    let tickets = [world.ticket("--label vm-1"), world.ticket("--label vm-2")];
    for ((machine, ticket), name) in [&world.machine, &clone].into_iter().zip(&tickets).zip(["t1", "t2"]) {
        world.enroll(machine, &world.file(name, ticket)).run().ok();
    }
    // A domain that doesn't demand an instance admits a machine without one; it has no names.
    world.fleet.enroll(&world.broker, &none).run().ok();
    let key = |ticket: &Ticket| format!("instances/{}/disk-key", ticket.id);
    let [first, second] = [key(&tickets[0]), key(&tickets[1])];
    store(&world.broker, &world.machine.state, &first, b"the twin's").run().ok();
    store(&world.broker, &clone.state, &second, b"the clone's").run().ok();
    for (machine, name) in [(&clone, &first), (&world.machine, &second), (&none, &first), (&none, &second)] {
        retrieve(&world.broker, &machine.state, name).args("--out -").run().failed(4);
        store(&world.broker, &machine.state, name, b"over").run().failed(4);
    }
    for name in ["instances/x/disk-key", "shared", &format!("instances/{}", tickets[0].id)] {
        store(&world.broker, &world.machine.state, name, b"elsewhere").run().failed(4);
    }
    // The next certificate is the same instance's, without another ticket.
    let evidence = format!("simulated-enclave:{}", world.machine.platform.display());
    let renew = command("key-client").arg("renew").with("--admission", world.broker.admission.to_string());
    renew.with("--evidence", evidence).with("--state-dir", &world.machine.state).run().ok();
    let own = retrieve(&world.broker, &world.machine.state, &first).args("--out -").run_text();
    assert_eq!((own.code(), own.stdout()), (Some(0), &b"the twin's"[..]));
    let status = command("key-client").arg("status").with("--state-dir", &world.machine.state).run().ok();
    assert_eq!(status["certificate"]["instance"], tickets[0].id);
}

#[test]
fn t39_a_renewal_needs_an_instance_as_soon_as_the_domain_demands_one() {
    let world = World::demanding("none", "members");
    world.fleet.enroll(&world.broker, &world.machine).run().ok();
    apply(&world.broker, &world.fleet, &world.machine, "ticket");
    let renew = || {
        let evidence = format!("simulated-enclave:{}", world.machine.platform.display());
        let renew =
            command("key-client").arg("renew").with("--admission", world.broker.admission.to_string());
        renew.with("--evidence", evidence).with("--state-dir", &world.machine.state)
    };
    renew().run().failed(6).says(&["which one it is"]);
    // Who is a member stays one.
    store(&world.broker, &world.machine.state, "a", b"kept").run().ok();
    let file = world.file("ticket", &world.ticket(""));
    renew().with("--ticket-file", &file).run().ok();
    renew().run().ok();
}
