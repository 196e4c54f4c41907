//! Random operations of several tenants, their members' and their administrators', on one broker, against a model in which
//! each tenant is alone: whatever the others do, none is answered otherwise.

use std::cell::Cell;
use std::collections::BTreeMap;

use claviger_attest::sha256;
use claviger_tests::broker::Broker;
use claviger_tests::channel::{Channel, Hello};
use claviger_tests::fleet::Fleet;
use claviger_tests::message;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The same names in every tenant, one of them another tenant's and a name of it.
const NAMES: [&str; 4] = ["disk", "web/key", "one-x/disk", "two-x/web"];

const TENANTS: [&str; 3] = ["one", "two", "three"];

#[derive(Clone, Debug)]
enum Do {
    Store {
        name: usize,
        blob: u8,
    },
    Retrieve {
        name: usize,
    },
    Preset {
        members: bool,
    },
    Suspend {
        yes: bool,
    },
    Revoke {
        yes: bool,
    },
    Quota {
        names: u64,
    },
    Reconnect,
    /// It is deleted, and created anew under the same name and policy key.
    Anew,
}

/// Which tenant, and what.
type Step = (usize, Do);

/// A tenant, as if there were no other.
#[derive(Clone)]
struct Model {
    members: bool,
    suspended: bool,
    revoked: bool,
    names: Option<u64>,
    kept: BTreeMap<&'static str, Vec<u8>>,
}

impl Model {
    fn new() -> Self {
        Self { members: true, suspended: false, revoked: false, names: None, kept: BTreeMap::new() }
    }

    /// Why its member is refused whatever it asks for.
    fn refused(&self) -> Option<&'static str> {
        match self {
            Self { revoked: true, .. } => Some("certificate-refused"),
            Self { suspended: true, .. } => Some("suspended"),
            Self { members: false, .. } => Some("not-found"),
            _ => None,
        }
    }

    fn store(&mut self, name: &'static str, blob: Vec<u8>) -> Option<&'static str> {
        if let Some(code) = self.refused() {
            return Some(code);
        }
        let full = self.names.is_some_and(|most| self.kept.len() as u64 >= most);
        if full && !self.kept.contains_key(name) {
            return Some("quota-exceeded");
        }
        self.kept.insert(name, blob);
        None
    }
}

/// A tenant, as it is.
struct Tenant {
    fleet: Fleet,
    channel: Option<Channel>,
    member: claviger_tests::channel::Credentials,
    model: Model,
}

impl Tenant {
    fn create(broker: &Broker, name: &str) -> Self {
        let fleet = Fleet::create(broker, name, "members");
        let member = fleet.member();
        let mut tenant = Self { fleet, channel: None, member, model: Model::new() };
        tenant.connect(broker);
        tenant
    }

    /// Only members whose certificates aren't revoked get as far as a channel.
    fn connect(&mut self, broker: &Broker) {
        let opened = Channel::connect(broker.listen, &Hello::ours(&self.fleet.name), Some(&self.member));
        self.channel = opened.ok().filter(|_| !self.model.revoked);
    }

    fn step(&mut self, broker: &Broker, what: &Do) {
        let name = self.fleet.name.clone();
        let admin = |line: String| broker.admin(&line).run().ok();
        match *what {
            Do::Store { name, blob } => self.store(NAMES[name], vec![blob; 3]),
            Do::Retrieve { name } => self.retrieve(NAMES[name]),
            Do::Preset { members } => {
                admin(format!("acl preset --domain {name} {}", if members { "members" } else { "closed" }));
                self.model.members = members;
            }
            Do::Suspend { yes } if yes != self.model.suspended => {
                admin(format!("domain {} {name}", if yes { "suspend" } else { "resume" }));
                self.model.suspended = yes;
            }
            Do::Revoke { yes } if yes != self.model.revoked => {
                let verb = if yes { "add" } else { "remove" };
                let fingerprint = hex::encode(sha256(&self.member.certificate));
                admin(format!("revocation {verb} --domain {name} certificate {fingerprint}"));
                self.model.revoked = yes;
            }
            Do::Quota { names } => {
                admin(format!("quota set --domain {name} --names {names}"));
                self.model.names = Some(names);
            }
            Do::Reconnect => self.connect(broker),
            Do::Anew => {
                admin(format!("domain delete {name}"));
                self.fleet.create_on(broker, "members").ok();
                self.model = Model::new();
                self.connect(broker);
            }
            Do::Suspend { .. } | Do::Revoke { .. } => {}
        }
    }

    fn store(&mut self, name: &'static str, blob: Vec<u8>) {
        let Some(channel) = &mut self.channel else { return };
        let answer = channel.request(&message::store(name, &blob));
        match self.model.store(name, blob) {
            None => drop(answer.ok()),
            Some(code) => drop(answer.refused(code)),
        }
    }

    fn retrieve(&mut self, name: &'static str) {
        let Some(channel) = &mut self.channel else { return };
        let answer = channel.request(&message::retrieve(name));
        match (self.model.refused(), self.model.kept.get(name)) {
            (None, Some(blob)) => assert_eq!(&answer.blob(), blob, "{}: {name}", self.fleet.name),
            (None, None) => drop(answer.refused("not-found")),
            (Some(code), _) => drop(answer.refused(code)),
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || 0..NAMES.len();
    let what = prop_oneof![
        8 => (name(), any::<u8>()).prop_map(|(name, blob)| Do::Store { name, blob }),
        8 => name().prop_map(|name| Do::Retrieve { name }),
        2 => prop::bool::weighted(0.7).prop_map(|members| Do::Preset { members }),
        2 => prop::bool::weighted(0.4).prop_map(|yes| Do::Suspend { yes }),
        2 => prop::bool::weighted(0.4).prop_map(|yes| Do::Revoke { yes }),
        1 => (1..5_u64).prop_map(|names| Do::Quota { names }),
        2 => Just(Do::Reconnect),
        1 => Just(Do::Anew),
    ];
    prop::collection::vec((0..TENANTS.len(), what), 10..60)
}

#[test]
fn t15_whatever_tenants_do_each_is_answered_as_if_it_were_alone() {
    let broker = Broker::start();
    let cases = Cell::new(0);
    let run = |steps: Vec<Step>| {
        cases.set(cases.get() + 1);
        let named = TENANTS.map(|name| format!("{name}-{}", cases.get()));
        let mut tenants = named.map(|name| Tenant::create(&broker, &name));
        for (at, what) in &steps {
            tenants[*at].step(&broker, what);
        }
        // All that any of them keeps, and nothing of anybody else's.
        for tenant in &mut tenants {
            tenant.connect(&broker);
            for name in NAMES {
                tenant.retrieve(name);
            }
            tenant.fleet.verify_audit(&broker);
        }
        Ok(())
    };
    let config = Config { cases: 10, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&steps(), run).unwrap();
}
