//! The way from a stock deployment to ours, as the book goes it: on what stock programs left, and on a deployment that is made
//! today, for captured certificates end.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use claviger_tests::programs::{command, workspace};

use crate::docs;

/// When the captured certificates and claims end, in seconds since 1970: 2027-11-24.
const CAPTURED_UNTIL: u64 = 1_827_014_400;

fn go(prepare: impl FnOnce(&Path)) {
    let page = fs::read_to_string(workspace().join("docs/migrating.md")).unwrap();
    let script = docs::commands(&page, "```console,migration");
    assert!(script.contains("domain stock deny"), "{script}");
    docs::run_in("migrating.md", &script, prepare);
}

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
fn a_captured_deployment_comes_over_and_goes_back() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    if now > CAPTURED_UNTIL {
        eprintln!(
            "skipped: the captured certificates have ended; a deployment made today is tested all the same"
        );
        return;
    }
    go(|here| {
        let copy = |from: &str, to: &str| {
            let to = here.join("stock").join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(workspace().join(from), to).unwrap();
        };
        copy("attest/tests/data/stock/policy_key.key_message.pb", "policy_key_file.dom0");
        copy("attest/tests/data/stock/policy_cert.der", "policy_cert_file.dom0");
        copy("attest/tests/data/stock/policy.bin", "policy.bin");
        copy("client/tests/data/stock/server_cryptstore_cbc_simulated.bin", "cryptstore.server");
        copy("client/tests/data/stock/init_cryptstore_gcm_simulated.bin", "cryptstore.client");
        for file in ["attest_key_file.bin", "cf_utility.measurement", "platform_attest_endorsement.bin"] {
            copy(&format!("attest/tests/data/stock/{file}"), &format!("cf_data/{file}"));
        }
    });
}

#[test]
fn a_deployment_made_today_comes_over_and_goes_back() {
    let broker = Broker::start();
    let fleet = Fleet::generate(broker.dir(), "dom0", "--algorithm rsa-2048 --format certifier");
    fleet.create_on(&broker, "members").ok();
    let machine = fleet.machine("vm");
    fleet.trust(&broker, &machine, "vm");
    fleet.enroll(&broker, &machine).args("--key rsa-2048").run().ok();
    let own =
        |line: &str| command("key-client").arg("cryptstore").args(line).with("--state-dir", &machine.state);
    own("put key-client-test-key --in -").stdin("0123456789").run().ok();
    own("generate entry-key --kind aes-256-gcm").run().ok();
    go(|here| {
        let stock = here.join("stock");
        fs::create_dir(&stock).unwrap();
        fs::copy(&fleet.policy_key, stock.join("policy_key_file.dom0")).unwrap();
        fs::copy(&fleet.policy_cert, stock.join("policy_cert_file.dom0")).unwrap();
        let export = broker.admin("policy export --format certifier --domain dom0");
        export.with("--policy-key", &fleet.policy_key).with("--out", stock.join("policy.bin")).run().ok();
        fs::create_dir(stock.join("cf_data")).unwrap();
        for file in fs::read_dir(&machine.platform).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), stock.join("cf_data").join(file.file_name())).unwrap();
        }
        let seal = format!("simulated-enclave:{}", machine.platform.join("cf_utility.measurement").display());
        for (store, algorithm) in
            [("cryptstore.server", "aes-256-cbc-hmac-sha256"), ("cryptstore.client", "aes-256-gcm")]
        {
            let export = own("export --all --format certifier --with-identity").with("--seal", &seal);
            export.with("--algorithm", algorithm).with("--out", stock.join(store)).run().ok();
        }
    });
}
