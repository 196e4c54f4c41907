//! Where certificates of chips' keys come from, and how little can be made of that (row 45).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use claviger_attest::SnpSigner;
use claviger_attest::fakes::FakePlatform;
use claviger_tests::broker::Broker;
use claviger_tests::kds::{Answers, Kds};
use claviger_tests::snp_platform::SnpPlatform;

use super::World;

/// The platform's VCEK's certificate.
fn vcek(platform: &SnpPlatform) -> Vec<u8> {
    let [vcek, ..] = platform.fake().chain(SnpSigner::Vcek);
    vcek
}

/// A service that has it, and a world whose hosts give everything but it.
fn served(config: &str) -> (Kds, World) {
    let kds = Kds::start(Answers::Status("404 Not Found"));
    let world = World::with(Some(&kds), config);
    world.platform.without_vcek();
    kds.answer(Answers::Certificate(vcek(&world.platform)));
    (kds, world)
}

/// Another chip's id.
fn chip(number: u8) -> [u8; 64] {
    [number; 64]
}

#[test]
fn a_certificate_comes_with_the_evidence_or_from_a_folder() {
    let kds = Kds::start(Answers::Status("500 Internal Server Error"));
    let world = World::with(Some(&kds), "");
    world.enrolled("brought");
    world.platform.without_vcek();
    let refused = world.enroll(&world.machine("lacking")).run().failed(1);
    refused.is("unavailable").says(&["can't be had now"]);
    assert_eq!((kds.asked().len(), world.looked("unavailable")), (1, 1));
    drop(kds);

    let World { mut broker, fleet, platform } = world;
    let dir = broker.dir().join("by-hand");
    let product = platform.fake().product;
    let of_chip = dir.join("vcek").join(hex::encode(FakePlatform::chip_id(product)));
    fs::create_dir_all(&of_chip).unwrap();
    broker.stop();
    let folder = format!("vcek_dirs = [{:?}]", dir.display().to_string());
    broker.configure(format!("kds_url = \"\"\n{folder}"));
    broker.serve();
    let world = World { broker, fleet, platform };
    let refused = world.enroll(&world.machine("offline")).run().failed(6);
    refused.is("attestation-refused").says(&["no certificate of this machine's chip"]);
    assert_eq!(world.looked("offline"), 1);
    // A file that is put there counts at once.
    let tcb = hex::encode(FakePlatform::TCB.to_bytes(product));
    fs::write(of_chip.join(format!("{tcb}.der")), vcek(&world.platform)).unwrap();
    world.enrolled("by-hand");
    world.enrolled("again");
    assert_eq!((world.looked("folder"), world.looked("known")), (1, 1));
    // A host that gives nothing at all: the ASK comes from the folder, too (row 26: the named root has signed it).
    world.platform.change(|shape| shape.table.clear());
    world.enroll(&world.machine("bare")).run().failed(6);
    let [_, ask, _] = world.platform.fake().chain(SnpSigner::Vcek);
    fs::write(dir.join("ask-genoa.der"), ask).unwrap();
    let World { mut broker, fleet, platform } = world;
    broker.stop();
    broker.serve();
    let world = World { broker, fleet, platform };
    world.enrolled("bare");
}

#[test]
fn t45_one_fetch_serves_many_outlives_the_broker_and_an_outage() {
    let (kds, world) = served("");
    std::thread::scope(|scope| {
        let labels = ["a", "b", "c", "d"];
        let all = labels.map(|label| scope.spawn(|| world.enrolled(label)));
        for one in all {
            one.join().unwrap();
        }
    });
    assert_eq!(kds.asked().len(), 1, "{:?}", kds.asked());
    let id = hex::encode(FakePlatform::chip_id(world.platform.fake().product));
    let target = format!("/mirror/vcek/v1/Genoa/{id}?blSPL=04&teeSPL=01&snpSPL=24&ucodeSPL=219");
    assert_eq!(kds.asked(), [target]);
    assert_eq!(world.looked("fetched"), 1);
    let cache = world.broker.data_dir().join("endorsements");
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    // The service is gone, and so is what the process knew.
    drop(kds);
    let World { mut broker, fleet, platform } = world;
    broker.stop();
    broker.serve();
    let world = World { broker, fleet, platform };
    let machine = world.enrolled("after");
    world.renew(&machine).run().ok();
    assert_eq!((world.looked("folder"), world.looked("known"), world.looked("fetched")), (1, 1, 0));
    world.platform.change(|shape| shape.report.chip_id = chip(7));
    world.enroll(&world.machine("unknown")).run().failed(1).is("unavailable");
    world.platform.change(|shape| shape.report.chip_id = FakePlatform::chip_id(platform_product(&world)));
    world.enrolled("not held up");
}

fn platform_product(world: &World) -> claviger_attest::SnpProduct {
    world.platform.fake().product
}

#[test]
fn t45_nothing_is_fetched_for_what_the_domain_does_not_want_anyway() {
    let (kds, world) = served("");
    let good = world.platform.fake().report(3);
    let refused = |change: &dyn Fn(&mut claviger_attest::fakes::FakeReport)| {
        world.platform.change(|shape| {
            shape.report = good.clone();
            change(&mut shape.report);
        });
        world.enroll(&world.machine("vm")).run().failed(6);
    };
    refused(&|report| report.measurement = [0x77; 48]);
    refused(&|report| report.vmpl = 1);
    refused(&|report| report.policy |= 1 << 19);
    refused(&|report| report.chip_id = [0; 64]);
    refused(&|report| report.key_info = 0b11);
    world.apply(&format!("[sev-snp]\nchips = [{:?}]", hex::encode(chip(1))));
    refused(&|_| {});
    assert_eq!(kds.asked(), [""; 0]);
    world.apply("");
    world.platform.change(|shape| shape.report = good.clone());
    world.enrolled("vm");
    assert_eq!(kds.asked().len(), 1);
}

#[test]
fn t45_forged_chips_cost_their_domain_s_budget_and_nobody_else() {
    let (kds, world) = served("[limits]\ncertificate_fetches = 2\n");
    let other = claviger_tests::fleet::Fleet::create(&world.broker, "other", "members");
    world.apply_to(&other, "");
    let product = platform_product(&world);
    world.enrolled("known");
    // What the service gives is another chip's: refused, and not believed at the next try either.
    world.platform.change(|shape| shape.report.chip_id = chip(1));
    world.enroll(&world.machine("vm")).run().failed(6);
    assert!(world.broker.log().contains("chip-id"), "{}", world.broker.log());
    for number in [2, 3] {
        world.platform.change(|shape| shape.report.chip_id = chip(number));
        world.enroll(&world.machine("vm")).run().failed(8).is("busy").says(&["can't be had now"]);
    }
    assert_eq!((kds.asked().len(), world.looked("over-budget")), (2, 2));
    // Who is known is answered, and another domain has its own budget.
    world.platform.change(|shape| shape.report.chip_id = FakePlatform::chip_id(product));
    world.enrolled("still known");
    world.platform.change(|shape| shape.report.chip_id = chip(4));
    world.enroll_in(&other, &world.machine("theirs")).run().failed(6);
    assert_eq!(kds.asked().len(), 3);
}

#[test]
fn t45_one_address_does_not_spend_its_domain_s_budget_alone() {
    let (kds, world) = served("[limits]\ncertificate_fetches_per_address = 1\n");
    world.enrolled("known");
    world.platform.change(|shape| shape.report.chip_id = chip(1));
    world.enroll(&world.machine("vm")).run().failed(8).is("busy");
    assert_eq!((kds.asked().len(), world.looked("over-budget")), (1, 1));
}

#[test]
fn t45_that_there_is_no_such_chip_is_remembered() {
    let (kds, world) = served("");
    kds.answer(Answers::Status("404 Not Found"));
    for _ in 0..3 {
        world.enroll(&world.machine("vm")).run().failed(6).is("attestation-refused");
    }
    assert_eq!((kds.asked().len(), world.looked("missing")), (1, 3));
}

#[test]
fn t45_a_service_that_hangs_holds_up_who_needs_it_and_no_other() {
    let (kds, world) = served("[limits]\nadmissions = 1\nevidence_ms = 4000\n");
    kds.answer(Answers::Never);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| world.enroll(&world.machine("hanging")).run());
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while kds.asked().is_empty() {
            assert!(std::time::Instant::now() < end, "it is never asked");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // The only place among the attestors isn't held.
        let simulated = world.fleet.admitted(&world.broker, "simulated");
        assert!(!hanging.is_finished());
        drop(simulated);
        hanging.join().unwrap().failed(1).is("unavailable");
    });
    assert_eq!(world.looked("late"), 1);
}

#[test]
fn t45_a_poisoned_cache_is_mended_and_a_good_one_not_taken_away() {
    let (kds, world) = served("");
    let fake = world.platform.fake();
    let foreign = fake.vek_certificate(SnpSigner::Vcek).sign(&fake.asvk);
    kds.answer(Answers::Certificate(foreign));
    world.enroll(&world.machine("vm")).run().failed(6);
    assert!(world.broker.log().contains("vek-signature"), "{}", world.broker.log());
    kds.answer(Answers::Certificate(vcek(&world.platform)));
    world.enrolled("mended");
    assert_eq!(kds.asked().len(), 2);
    // A forged report of the same chip, and a domain in which that root doesn't count.
    world.platform.change(|shape| shape.forged = true);
    world.enroll(&world.machine("forged")).run().failed(6);
    world.platform.change(|shape| shape.forged = false);
    let amd = claviger_tests::fleet::Fleet::create(&world.broker, "amd", "members");
    let value = world.platform.measurement();
    let policy = format!("format = 1\n[[measurement]]\nkind = \"sev-snp\"\nvalue = {value:?}\n");
    let file = world.broker.file("amd.toml", policy);
    world.broker.admin("policy apply --domain amd").arg(file).run().ok();
    world.enroll_in(&amd, &world.machine("amd")).run().failed(6);
    world.enrolled("known still");
    assert_eq!(kds.asked().len(), 2);
}

#[test]
fn where_certificates_come_from_is_read_again_at_sighup() {
    let (kds, world) = served("");
    let World { mut broker, fleet, platform } = world;
    broker.stop();
    broker.configure("kds_url = \"\"");
    broker.serve();
    let world = World { broker, fleet, platform };
    world.enroll(&world.machine("vm")).run().failed(6);
    let World { mut broker, fleet, platform } = world;
    let reloads =
        |broker: &Broker| broker.page("/metrics").1.contains("config_reloads_total{result=\"ok\"} 1");
    broker.file("broker.toml", format!("kds_url = {:?}", kds.url()));
    broker.signal(rustix::process::Signal::HUP);
    while !reloads(&broker) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let world = World { broker, fleet, platform };
    world.enrolled("vm");
    assert_eq!(kds.asked().len(), 1);
}
