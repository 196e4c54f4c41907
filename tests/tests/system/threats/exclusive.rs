//! Row 46: what is one broker's is no other's.

use claviger_tests::broker::{Broker, Setup};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use claviger_tests::programs::command;

#[test]
fn t46_a_second_broker_on_the_same_port_does_not_start() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    let second = Broker::init(Setup::default());
    for (option, address) in [("--listen", broker.listen), ("--admission-listen", broker.admission)] {
        let serve = command("key-broker").arg("serve").with("--data-dir", second.data_dir());
        let serve = if option == "--listen" { serve } else { serve.args("--listen 127.0.0.1:0") };
        let failure = serve.with(option, address.to_string()).run().failed(1);
        failure.is("address-in-use").says(&[&address.to_string()]);
    }
    // Every new connection still reaches the first, on whichever shard.
    channel.request(&message::store("a", b"secret")).ok();
    for _ in 0..32 {
        assert_eq!(fleet.channel(&broker).request(&message::retrieve("a")).ok().blob(), b"secret");
    }
}

#[test]
fn t46_a_second_broker_on_the_same_data_directory_does_not_start() {
    let broker = Broker::start();
    let fleet = Fleet::create(&broker, "fleet", "members");
    let mut channel = fleet.channel(&broker);
    channel.request(&message::store("a", b"secret")).ok();
    let serve = command("key-broker").arg("serve").with("--data-dir", broker.data_dir());
    let serve = serve.args("--listen 127.0.0.1:0").with("--admin-socket", broker.dir().join("other.sock"));
    serve.run().failed(5).is("in-use").says(&["another broker"]);
    channel.request(&message::store("b", b"another")).ok();
    assert_eq!(fleet.channel(&broker).request(&message::retrieve("a")).ok().blob(), b"secret");
}

#[test]
fn t46_a_second_broker_does_not_take_the_admin_socket_and_a_stale_one_is_replaced() {
    let mut broker = Broker::start();
    let second = Broker::init(Setup::default());
    let serve = command("key-broker").arg("serve").with("--data-dir", second.data_dir());
    let serve = serve.args("--listen 127.0.0.1:0").with("--admin-socket", broker.admin_socket());
    serve.run().failed(1).is("address-in-use");
    broker.admin("status").run().ok();
    broker.kill();
    assert!(broker.admin_socket().exists(), "a crash leaves it behind");
    broker.serve();
    broker.admin("status").run().ok();
    broker.stop();
    assert!(!broker.admin_socket().exists(), "a clean end doesn't");
}
