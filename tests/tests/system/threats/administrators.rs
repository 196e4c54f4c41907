//! Rows 3 and 36: every call of the admin API over the network, by everybody who might try.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;

use claviger_attest::Role;
use claviger_tests::administration::{Answer, Operator, Person, call, hello, open, register, start};
use claviger_tests::broker::Broker;
use claviger_tests::certificate::{Authority, pem};
use claviger_tests::channel::{Credentials, refusal};
use claviger_tests::fleet::Fleet;

/// Who may make each call over the network. The broker's own word for it is held against this list, so that a new call is
/// decided about twice.
const CALLS: &[(&str, &str, &str)] = &[
    ("get", "/v1/openapi.json", "operator owner auditor"),
    ("get", "/v1/status", "operator"),
    ("post", "/v1/unseal", "operator"),
    ("delete", "/v1/unseal/shares", "operator"),
    ("get", "/v1/domains", "operator"),
    ("post", "/v1/domains", "operator"),
    ("get", "/v1/domains/{domain}", "operator owner auditor"),
    ("post", "/v1/domains/{domain}/issuing/requests", "operator owner"),
    ("put", "/v1/domains/{domain}/issuing", "operator owner"),
    ("put", "/v1/domains/{domain}/acl-preset", "owner"),
    ("get", "/v1/domains/{domain}/acl-rules", "owner auditor"),
    ("put", "/v1/domains/{domain}/acl-rules", "owner"),
    ("post", "/v1/domains/{domain}/acl-decision", "owner auditor"),
    ("put", "/v1/domains/{domain}/suspension", "operator owner"),
    ("delete", "/v1/domains/{domain}/suspension", "operator owner"),
    ("put", "/v1/domains/{domain}/stock", "owner"),
    ("put", "/v1/domains/{domain}/admission", "owner"),
    ("get", "/v1/domains/{domain}/revocations", "owner auditor"),
    ("post", "/v1/domains/{domain}/revocations", "owner"),
    ("delete", "/v1/domains/{domain}/revocations/{kind}/{what}", "owner"),
    ("get", "/v1/domains/{domain}/quota", "operator owner"),
    ("put", "/v1/domains/{domain}/quota", "operator"),
    ("get", "/v1/domains/{domain}/owners", "owner auditor"),
    ("post", "/v1/domains/{domain}/owners", "operator owner"),
    ("delete", "/v1/domains/{domain}/owners/{fingerprint}", "owner"),
    ("get", "/v1/domains/{domain}/principals", "owner auditor"),
    ("post", "/v1/domains/{domain}/principals", "owner"),
    ("delete", "/v1/domains/{domain}/principals/{principal}", "owner"),
    ("get", "/v1/domains/{domain}/references", "owner auditor"),
    ("post", "/v1/domains/{domain}/references", "owner"),
    ("delete", "/v1/domains/{domain}/references/{kind}/{measurement}", "owner"),
    ("get", "/v1/domains/{domain}/policy", "owner auditor"),
    ("put", "/v1/domains/{domain}/policy", "owner"),
    ("get", "/v1/domains/{domain}/tickets", "owner"),
    ("post", "/v1/domains/{domain}/tickets", "owner"),
    ("delete", "/v1/domains/{domain}/tickets/{id}", "owner"),
    ("post", "/v1/domains/{domain}/entries", "owner"),
    ("post", "/v1/domains/{domain}/audit/verify", "owner auditor"),
    ("get", "/v1/domains/{domain}/audit/export", "owner auditor"),
    ("post", "/v1/domains/{domain}/audit/checkpoint", "owner auditor"),
    ("put", "/v1/domains/{domain}/audit/terms", "owner"),
    ("post", "/v1/domains/{domain}/audit/search", "owner auditor"),
    ("post", "/v1/seal", "operator"),
    // It ends what the others need.
    ("delete", "/v1/domains/{domain}", "operator owner"),
];

/// A broker of two tenants, and everybody.
struct World {
    broker: Broker,
    operator: Operator,
    red: Fleet,
    blue: Fleet,
    owner: Person,
    auditor: Person,
    of_blue: Person,
}

impl World {
    fn new() -> Self {
        let (broker, operator) = start();
        let (red, blue) =
            (Fleet::create(&broker, "red", "members"), Fleet::create(&broker, "blue", "members"));
        let person = |fleet: &Fleet, label: &str, options: &str| {
            Person::certify(&broker, fleet, label, options).register(&broker, fleet)
        };
        let owner = person(&red, "ann", "--role owner");
        let auditor = person(&red, "bob", "--role auditor");
        let of_blue = person(&blue, "eve", "--role owner");
        Self { broker, operator, red, blue, owner, auditor, of_blue }
    }

    /// One call on a connection of its own.
    fn call(&self, face: Option<&str>, own: &Credentials, (method, path): (&str, &str)) -> Answer {
        call(&mut open(&self.broker, face, own), &method.to_uppercase(), path, "{}")
    }

    /// Checks that a call is refused as not allowed, and nothing else.
    #[track_caller]
    fn forbidden(&self, who: &str, face: Option<&str>, own: &Credentials, call: (&str, &str)) {
        let answer = self.call(face, own, call);
        assert_eq!(answer.status, 403, "{who} on {face:?}: {call:?}: {answer:?}");
        assert!(answer.head.contains("application/problem+json"), "{answer:?}");
        assert_eq!(answer.body["code"], "refused", "{answer:?}");
    }
}

fn path(template: &str, domain: &str) -> String {
    let filled = template.replace("{domain}", domain).replace("{kind}", "instance").replace("{what}", "vm");
    let hex = "ab".repeat(32);
    ["{fingerprint}", "{principal}", "{measurement}", "{id}"]
        .iter()
        .fold(filled, |path, name| path.replace(name, &hex))
}

#[test]
fn t03_every_call_is_made_by_those_who_may_and_refused_to_all_others() {
    let world = World::new();
    let agent = world.red.member();
    let seen = world.call(None, &world.operator.own, ("get", "/v1/openapi.json")).body;
    let mut there = BTreeMap::new();
    for (path, methods) in seen["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let roles = call["x-claviger-roles"].as_array().unwrap().iter();
            let roles: Vec<_> = roles.map(|role| role.as_str().unwrap()).collect();
            there.insert((method.clone(), path.clone()), roles.join(" "));
        }
    }
    let expected: BTreeMap<_, _> =
        CALLS.iter().map(|(m, p, roles)| ((m.to_string(), p.to_string()), roles.to_string())).collect();
    assert_eq!(there, expected, "every call is decided about");

    let listener = world.broker.admin_listen.unwrap();
    for face in [None, Some("red")] {
        let told = refusal(listener, &hello(face), None);
        assert_eq!(told, rustls::AlertDescription::CertificateRequired, "nobody calls without a certificate");
    }
    for (method, template, roles) in CALLS {
        let roles: BTreeSet<_> = roles.split(' ').collect();
        let (red, absent) = (path(template, "red"), path(template, "absent"));
        let (on_red, on_absent) = ((*method, red.as_str()), (*method, absent.as_str()));
        let strangers = [
            ("an agent", &agent),
            ("another tenant's owner", &world.of_blue.own),
            ("the operator", &world.operator.own),
        ];
        for (who, own) in strangers {
            world.forbidden(who, Some("red"), own, on_red);
        }
        let strangers = [
            ("an agent", &agent),
            ("the owner", &world.owner.own),
            ("the auditor", &world.auditor.own),
            ("another tenant's owner", &world.of_blue.own),
        ];
        for (who, own) in strangers {
            world.forbidden(who, None, own, on_red);
        }
        // Another tenant's owner on their own face: what is another's is what isn't there.
        if roles.contains("owner") && template.contains("{domain}") {
            let answers = [on_red, on_absent].map(|call| world.call(Some("blue"), &world.of_blue.own, call));
            assert_eq!(answers[0].status, 404, "{template}: {answers:?}");
            let said = |answer: &Answer, name: &str| answer.body.to_string().replace(name, "X");
            assert_eq!(said(&answers[0], "red"), said(&answers[1], "absent"), "{template}");
        } else if !roles.contains("owner") {
            world.forbidden("another tenant's owner", Some("blue"), &world.of_blue.own, on_red);
        }
        // Those who may, the owner last: what ends the domain ends theirs.
        let operated = if *template == "/v1/domains/{domain}" { on_absent } else { on_red };
        let allowed = [
            ("operator", None, &world.operator.own, operated),
            ("auditor", Some("red"), &world.auditor.own, on_red),
            ("owner", Some("red"), &world.owner.own, on_red),
        ];
        for (role, face, own, call) in allowed {
            // At the end, for it ends everything.
            if *template == "/v1/seal" && role == "operator" {
                continue;
            }
            if roles.contains(role) {
                let answer = world.call(face, own, call);
                assert!(![401, 403].contains(&answer.status), "{role}: {call:?}: {answer:?}");
                assert!(answer.status != 404 || call.1 != "/v1/domains/red", "{role}: {call:?}: {answer:?}");
            } else {
                world.forbidden(role, face, own, call);
            }
        }
    }
    world.operator.admin(&world.broker, "seal").run().ok();
    assert_eq!(world.operator.admin(&world.broker, "status").run().ok()["state"], "sealed");
}

#[test]
fn t36_what_a_machine_was_admitted_with_administers_nothing_even_where_it_is_registered_or_listed() {
    let world = World::new();
    let (broker, red) = (&world.broker, &world.red);
    let agent = red.member();
    let broker_s = red.issue(Role::Broker, None);
    let expired = Person::certify(broker, red, "old", "--days 1");
    for (what, own, says) in [
        ("an agent's", &agent, "isn't meant for this use"),
        ("a broker's", &broker_s, "isn't meant for this use"),
        ("another domain's owner's", &world.of_blue.own, "isn't signed by this domain's policy key"),
        ("one that vouches for itself", &world.operator.own, "isn't meant for this use"),
    ] {
        let file = broker.file("some.pem", pem("CERTIFICATE", &own.certificate));
        register(broker, "red", &file).run().failed(3).says(&[says]);
        world.forbidden(what, Some("red"), own, ("get", "/v1/domains/red"));
    }
    let listed = broker.admin("owner list --domain red").run().ok();
    assert_eq!(listed["owners"].as_array().unwrap().len(), 2, "{listed}");
    // Certified and not registered is nobody.
    world.forbidden("not registered", Some("red"), &expired.own, ("get", "/v1/domains/red"));
    // Nor is a person a machine.
    let told = refusal(broker.listen, &claviger_tests::channel::Hello::ours("red"), Some(&world.owner.own));
    assert_ne!(told, rustls::AlertDescription::CertificateRequired);
    // An agent's certificate, listed as an operator's by mistake.
    let ended = Authority::self_signed("ended", false, time::Duration::hours(-1)).credentials();
    let hex = |own: &Credentials| hex::encode(claviger_attest::sha256(&own.certificate));
    let config = format!(
        "[admin]\nlisten = \"127.0.0.1:0\"\noperators = [\"{}\", \"{}\"]\n",
        hex(&agent),
        hex(&ended)
    );
    let mut world = world;
    world.broker.stop();
    world.broker.configure(config);
    world.broker.serve();
    world.forbidden("a listed agent", None, &agent, ("get", "/v1/status"));
    world.forbidden("one that has ended", None, &ended, ("get", "/v1/status"));
    world.forbidden("an operator of before", None, &world.operator.own, ("get", "/v1/status"));
}

#[test]
fn t09_who_is_removed_or_revoked_is_refused_on_connections_that_are_open() {
    let world = World::new();
    let (broker, red, owner) = (&world.broker, &world.red, &world.owner);
    let show = |channel: &mut _| call(channel, "GET", "/v1/domains/red", "").status;
    let mut of_owner = open(broker, Some("red"), &owner.own);
    let mut of_auditor = open(broker, Some("red"), &world.auditor.own);
    assert_eq!((show(&mut of_owner), show(&mut of_auditor)), (200, 200));
    let removed = owner.admin(broker, red, "owner remove --domain red").arg(&world.auditor.fingerprint);
    assert_eq!(removed.run().ok()["removed"], true);
    assert_eq!((show(&mut of_owner), show(&mut of_auditor)), (200, 403));
    let revoke = broker.admin("revocation add --domain red certificate").arg(&owner.fingerprint);
    revoke.run().ok();
    assert_eq!(show(&mut of_owner), 403);
    register(broker, "red", &owner.cert()).run().failed(3).says(&["revoked"]);
    // Made anew under the same name it is another domain, and the connection isn't of it.
    let mut of_blue = open(broker, Some("blue"), &world.of_blue.own);
    let blue = |channel: &mut _| call(channel, "GET", "/v1/domains/blue", "").status;
    assert_eq!(blue(&mut of_blue), 200);
    broker.admin("domain delete blue").run().ok();
    world.blue.create_on(broker, "members").ok();
    assert_eq!(blue(&mut of_blue), 404);
}

#[test]
fn t06_key_admin_refuses_a_broker_that_is_not_the_one_it_means() {
    let world = World::new();
    let (broker, red, owner) = (&world.broker, &world.red, &world.owner);
    assert_eq!(owner.admin(broker, red, "domain show red").run().ok()["name"], "red");
    // The same name under another policy key: whoever answers there is somebody else.
    let other = Fleet::generate(&broker.dir().join("other"), "red", "--algorithm p256");
    let refused = owner.admin(broker, &other, "domain show red").run().failed(3);
    refused.is("broker-refused").says(&["isn't the broker that is meant"]);
    let pinned =
        claviger_tests::administration::remote(broker, &world.operator.cert, &world.operator.key, "status");
    pinned.with("--broker-cert", &world.operator.cert).run().failed(3).is("broker-refused");
    let absent = Fleet::generate(broker.dir(), "absent", "--algorithm p256");
    owner.admin(broker, &absent, "domain show absent").run().failed(3).is("unknown-domain");
}

#[test]
fn what_is_changed_over_the_network_is_recorded_with_who_did_it() {
    let world = World::new();
    let (broker, red, owner) = (&world.broker, &world.red, &world.owner);
    owner.admin(broker, red, "revocation add --domain red instance vm-7").run().ok();
    world.operator.admin(broker, "domain suspend red").run().ok();
    let records = |action: &str| {
        let found =
            world.auditor.admin(broker, red, "audit list --domain red").with("--action", action).run().ok();
        found["records"].as_array().unwrap().clone()
    };
    let revoked = records("revocation-add");
    assert_eq!((&revoked[0]["role"], revoked.len()), (&"owner".into(), 1), "{revoked:?}");
    assert!(revoked[0].to_string().contains(&owner.fingerprint), "{revoked:?}");
    assert!(revoked[0]["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{revoked:?}");
    assert_eq!(records("domain-suspend")[0]["role"], "operator");
    assert_eq!(records("owner-register")[0]["source"], "admin-socket");
    world.auditor.admin(broker, red, "domain resume red").run().failed(3).says(&["not for who is auditor"]);
    red.verify_audit(broker);
}

#[test]
fn a_sealed_broker_is_unsealed_by_an_operator_elsewhere_who_knows_it_by_its_certificate() {
    let world = World::new();
    let (broker, operator) = (&world.broker, &world.operator);
    let before = std::fs::read(broker.data_dir().join("admin-cert.pem")).unwrap();
    operator.admin(broker, "seal").run().ok();
    assert_eq!(operator.admin(broker, "status").run().ok()["state"], "sealed");
    world.owner.admin(broker, &world.red, "domain show red").run().failed(3).is("unknown-domain");
    operator.admin(broker, "unseal").with("--key-file", broker.key_file()).run().ok();
    assert_eq!(operator.admin(broker, "status").run().ok()["state"], "ready");
    assert_eq!(world.owner.admin(broker, &world.red, "domain show red").run().ok()["name"], "red");
    let mut world = world;
    world.broker.stop();
    world.broker.serve();
    assert_eq!(std::fs::read(world.broker.data_dir().join("admin-cert.pem")).unwrap(), before);
    let key = world.broker.data_dir().join("admin-key.pem").metadata().unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}
