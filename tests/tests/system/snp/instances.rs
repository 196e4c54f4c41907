//! Which machine it is (rows 38 and 39), as SEV-SNP's reports say it.

use claviger_attest::fakes::FakePlatform;
use claviger_attest::sha256;
use claviger_tests::fleet::Machine;
use claviger_tests::programs::command;
use serde_json::Value;

use super::World;

/// The instance in a machine's certificate.
fn instance(machine: &Machine) -> Value {
    let status = command("key-client").arg("status").with("--state-dir", &machine.state).run().ok();
    status["certificate"]["instance"].clone()
}

/// A new ticket: itself, its host data and its id.
fn ticket(world: &World) -> (String, String, String) {
    let made = world.broker.admin("ticket create --domain fleet").run().ok();
    let text = |key: &str| made["tickets"][0][key].as_str().unwrap().to_owned();
    (text("ticket"), text("host_data"), text("id"))
}

#[test]
fn t38_t39_a_ticket_in_host_data_or_in_user_data_is_good_once() {
    let world = World::new();
    world.apply("[instance]\ndemand = \"ticket\"");
    // The owner's image on somebody else's host, who put in nothing, or anything.
    world.platform.change(|shape| shape.report.host_data = [0; 32]);
    world.enroll(&world.machine("none")).run().failed(6).says(&["which one it is"]);
    world.platform.change(|shape| shape.report.host_data = [0xd0; 32]);
    world.enroll(&world.machine("made up")).run().failed(6).says(&["isn't one of this domain"]);
    let (_, host_data, id) = ticket(&world);
    let launched_with = |hex: &str| {
        let bytes = hex::decode(hex).unwrap().try_into().unwrap();
        world.platform.change(|shape| shape.report.host_data = bytes);
    };
    // Whoever read the id in a list, a log or a name.
    launched_with(&id);
    world.enroll(&world.machine("by id")).run().failed(6).says(&["isn't one of this domain"]);
    assert!(world.broker.log().contains("key-admin ticket create"), "what the operator does next");
    launched_with(&host_data);
    let machine = world.enrolled("vm");
    assert_eq!(instance(&machine), id);
    world.enroll(&world.machine("clone")).run().failed(6).says(&["was used already"]);
    // Who has its instance keeps it without another ticket.
    world.renew(&machine).run().ok();
    assert_eq!(instance(&machine), id);

    let (secret, _, id) = ticket(&world);
    let file = world.broker.file("ticket", secret);
    let machine = world.machine("user-data");
    world.enroll(&machine).with("--ticket-file", &file).run().ok();
    assert_eq!(instance(&machine), id);
    world.enroll(&world.machine("again")).with("--ticket-file", &file).run().failed(6);
    world.fleet.verify_audit(&world.broker);
}

#[test]
fn t38_an_id_block_under_the_owner_s_key_says_which_machine_it_is() {
    let world = World::new();
    let demand = |digest: [u8; 48]| {
        let digest = hex::encode(digest);
        world.apply(&format!("[sev-snp]\nid-key-digests = [{digest:?}]\n[instance]\ndemand = \"id-block\""));
    };
    demand([0x55; 48]);
    world.enroll(&world.machine("another's")).run().failed(6);
    assert!(world.broker.log().contains("by the rule id-key "));
    demand([0x1d; 48]);
    let [one, twin] = ["one", "twin"].map(|label| world.enrolled(label));
    world.platform.change(|shape| shape.report.image_id = [2; 16]);
    let other = world.enrolled("other");
    assert_eq!(instance(&one), instance(&twin), "one block, one instance");
    assert_ne!(instance(&one), instance(&other));
    // A copied key renews under the block of its certificate only.
    world.renew(&one).run().failed(6).says(&["isn't the instance that its certificate names"]);
    world.renew(&other).run().ok();
    // Nor where tickets are taken as well: none of them made it.
    let more = format!("[sev-snp]\nid-key-digests = [{:?}]\n", hex::encode([0x1d; 48]));
    world.apply(&(more.clone() + "[instance]\ndemand = [\"ticket\", \"id-block\"]"));
    world.renew(&one).run().failed(6).says(&["isn't the instance that its certificate names"]);
    // A ticket's instance stays, whatever the machine was launched with.
    let (secret, _, id) = ticket(&world);
    let file = world.broker.file("ticket", secret);
    let ticketed = world.machine("ticketed");
    world.enroll(&ticketed).with("--ticket-file", &file).run().ok();
    world.apply(&(more + "[instance]\ndemand = \"id-block\""));
    world.renew(&ticketed).run().ok();
    assert_eq!(instance(&ticketed), id);
}

#[test]
fn t38_a_listed_chip_says_which_machine_it_is() {
    let world = World::new();
    let chip = FakePlatform::chip_id(world.platform.fake().product);
    world.apply(&format!("[sev-snp]\nchips = [{:?}]\n[instance]\ndemand = \"chip\"", hex::encode(chip)));
    let machine = world.enrolled("listed");
    assert_eq!(instance(&machine), hex::encode(sha256(&chip)));
    // One that the report hides is named by its certificate all the same.
    world.platform.change(|shape| shape.report.chip_id = [0; 64]);
    assert_eq!(instance(&world.enrolled("hidden")), hex::encode(sha256(&chip)));
    world.apply(&format!("[sev-snp]\nchips = [{:?}]\n[instance]\ndemand = \"chip\"", "01".repeat(64)));
    world.enroll(&world.machine("unlisted")).run().failed(6);
}
