//! Row 15: two tenants on one broker, and nothing of one that the other can tell from nothing at all.

use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello, refusal};
use claviger_tests::fleet::Fleet;
use claviger_tests::message::{self, Field};

/// An answer without the name that it repeats.
fn answer(channel: &mut Channel, body: &[u8]) -> Vec<(u32, Field)> {
    let response = channel.request(body);
    response.without_id().into_iter().filter(|(number, _)| *number != 1).collect()
}

#[test]
fn t15_every_id_of_another_tenant_is_answered_like_one_that_never_was() {
    let broker = Broker::start();
    let (red, blue) = (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
    let mut of_blue = blue.channel(&broker);
    let names = ["token", "web/tls/key", "storage-disk-key", "UPPER.case_1"];
    for name in names {
        of_blue.request(&message::store(name, b"one")).ok();
        of_blue.request(&message::store(name, b"two")).ok();
    }
    let mut of_red = red.channel(&broker);
    let never = |name: &str| message::retrieve(&"z".repeat(name.len()));
    for name in names {
        for spelled in
            [name.to_owned(), format!("blue/{name}"), format!("red/{name}"), format!("red/blue/{name}")]
        {
            let absent = answer(&mut of_red, &never(&spelled));
            assert_eq!(answer(&mut of_red, &message::retrieve(&spelled)), absent, "{spelled}");
            for version in [1, 2, 3] {
                let asked = message::retrieve_version(&spelled, version);
                assert_eq!(answer(&mut of_red, &asked), absent, "{spelled} {version}");
            }
        }
    }
    // Storing under such a name is storing under a name of one's own: nothing of the other shows, or changes.
    for name in names {
        assert_eq!(of_red.request(&message::store(name, b"red")).ok().stored_version(), Some(1));
        assert_eq!(
            of_red.request(&message::store(&format!("blue/{name}"), b"r")).ok().stored_version(),
            Some(1)
        );
        assert_eq!(of_blue.request(&message::retrieve(name)).ok().blob(), b"two");
        assert_eq!(of_blue.request(&message::retrieve(name)).entry().int(3), Some(2));
    }
}

#[test]
fn t15_a_tenant_s_certificate_opens_no_channel_of_another() {
    let broker = Broker::start();
    let (red, blue) = (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
    let stranger = Fleet::generate(broker.dir(), "stranger", "--algorithm p256").member();
    blue.allow_stock(&broker);
    let member = red.member();
    for hello in [Hello::ours("blue"), Hello::stock(blue.policy.subject_der())] {
        let told = refusal(broker.listen, &hello, Some(&member));
        assert_eq!(told, refusal(broker.listen, &hello, Some(&stranger)), "as a stranger's");
    }
}

#[test]
fn t15_hints_that_disagree_choose_no_domain() {
    use rustls::AlertDescription::{IllegalParameter, NoApplicationProtocol, UnrecognisedName};
    let broker = Broker::start();
    let (red, blue) = (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
    red.allow_stock(&broker);
    let member = red.member();
    let subject = |fleet: &Fleet| fleet.policy.subject_der().to_vec();
    let stranger = subject(&Fleet::generate(broker.dir(), "stranger", "--algorithm p256"));
    let pin = |fleet: &Fleet| hex::encode(&fleet.policy.fingerprint()[..16]);
    let hello = |name: Option<&str>, authorities: &[Vec<u8>]| Hello {
        server_name: name.map(str::to_owned),
        authorities: authorities.to_vec(),
        ..Hello::default()
    };
    let (by_red, by_blue) = (subject(&red), subject(&blue));
    let refused = [
        (hello(Some("green"), &[]), UnrecognisedName),
        (hello(Some("red"), std::slice::from_ref(&by_blue)), IllegalParameter),
        (hello(Some("red"), std::slice::from_ref(&stranger)), IllegalParameter),
        (hello(Some(&format!("{}.red", pin(&blue))), &[]), UnrecognisedName),
        (hello(None, &[by_red.clone(), by_blue]), IllegalParameter),
        (hello(None, std::slice::from_ref(&stranger)), UnrecognisedName),
        // Two domains and no default: nobody guesses.
        (Hello::silent(), UnrecognisedName),
        (Hello { alpn: vec![b"h2".to_vec()], ..Hello::ours("red") }, NoApplicationProtocol),
    ];
    for (hello, alert) in refused {
        for listener in [broker.listen, broker.admission] {
            assert_eq!(refusal(listener, &hello, Some(&member)), alert, "{hello:?}");
        }
    }
    let accepted = [
        hello(Some("red"), &[]),
        hello(Some("red"), std::slice::from_ref(&by_red)),
        hello(Some(&format!("{}.red", pin(&red))), &[]),
        // A subject that is nobody's here is somebody else's business.
        hello(None, &[stranger, by_red]),
    ];
    for hello in accepted {
        let mut channel = Channel::connect(broker.listen, &hello, Some(&member)).unwrap();
        assert!(!channel.request(&message::retrieve("absent")).succeeded(), "it is answered: {hello:?}");
    }
}
