//! Random requests of several machines at once to a real broker, against a model of what each must be answered.

use std::collections::BTreeMap;

use claviger_client::state::StateDir;
use claviger_client::{Channel, Error, Options};
use claviger_proto::key_service::{
    Latest, List, PutOptions, Retrieve, Rotate, State, Store, Target, Versions, Which,
};
use claviger_proto::{Entry, EntryType, ErrorCode, ResourceName, Secret, Version};
use claviger_tests::broker::Broker;
use claviger_tests::fleet::Fleet;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

const NAMES: [&str; 3] = ["a", "a/b", "disk"];

#[derive(Clone, Debug)]
enum Ask {
    Store { blob: u8, if_latest: Option<u32> },
    Retrieve { version: u32 },
    Rotate,
    Delete { version: u32 },
    Undelete { version: u32 },
    Destroy { version: u32 },
    Versions,
    List,
}

/// Which machine asks, about which name.
#[derive(Clone, Debug)]
struct Step {
    machine: usize,
    name: usize,
    ask: Ask,
}

/// What is known of a version; the blob of a rotated one isn't.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    blob: Option<Vec<u8>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum Machine {
    Deployment,
    Vm,
}

/// What a machine is answered.
#[derive(Debug, PartialEq)]
enum Answer {
    Version(u32),
    Blob(Option<Vec<u8>>),
    Versions(Vec<(u32, State)>),
    Changed(Vec<u32>),
    Names(Vec<String>),
    Refused(ErrorCode),
}

#[derive(Default)]
struct Model(BTreeMap<&'static str, BTreeMap<u32, Kept>>);

impl Model {
    fn ask(&mut self, machine: Machine, name: &'static str, ask: &Ask) -> Answer {
        let provides = machine == Machine::Deployment;
        let not_found = Answer::Refused(ErrorCode::NotFound);
        let highest = self.0.get(name).and_then(|versions| versions.keys().last().copied());
        match ask {
            Ask::Store { blob, if_latest } if provides => {
                if if_latest.is_some_and(|latest| latest != highest.unwrap_or(0)) {
                    return Answer::Refused(ErrorCode::Conflict);
                }
                self.add(name, Some(vec![*blob; 20]))
            }
            Ask::Rotate if provides => match self.latest(name) {
                Some(kept) if kept.state == State::There => self.add(name, None),
                _ => not_found,
            },
            Ask::Retrieve { version } => {
                let versions = self.0.get(name);
                let kept = match version {
                    0 => self.latest(name),
                    version => versions.and_then(|versions| versions.get(version)),
                };
                match kept {
                    Some(Kept { blob, state: State::There }) => Answer::Blob(blob.clone()),
                    _ => not_found,
                }
            }
            Ask::Versions if highest.is_some() => {
                let versions = self.0[name].iter().rev().map(|(version, kept)| (*version, kept.state));
                Answer::Versions(versions.collect())
            }
            Ask::List => Answer::Names(self.0.keys().map(ToString::to_string).collect()),
            Ask::Delete { version } if provides => {
                self.change(name, *version, &[State::There], State::Deleted)
            }
            Ask::Undelete { version } if provides => {
                self.change(name, *version, &[State::Deleted], State::There)
            }
            Ask::Destroy { version } if provides => {
                self.change(name, *version, &[State::There, State::Deleted], State::Destroyed)
            }
            _ => not_found,
        }
    }

    fn latest(&self, name: &str) -> Option<&Kept> {
        self.0.get(name)?.values().last()
    }

    fn add(&mut self, name: &'static str, blob: Option<Vec<u8>>) -> Answer {
        let versions = self.0.entry(name).or_default();
        let version = versions.keys().last().map_or(1, |highest| highest + 1);
        versions.insert(version, Kept { blob, state: State::There });
        Answer::Version(version)
    }

    fn change(&mut self, name: &'static str, which: u32, from: &[State], to: State) -> Answer {
        let Some(versions) = self.0.get_mut(name) else { return Answer::Refused(ErrorCode::NotFound) };
        if which != 0 {
            match versions.get(&which).map(|kept| kept.state) {
                None => return Answer::Refused(ErrorCode::NotFound),
                Some(State::Destroyed) if to != State::Destroyed => {
                    return Answer::Refused(ErrorCode::Conflict);
                }
                _ => {}
            }
        }
        let meant = |version: u32| which == 0 || which == version;
        let mut changed = Vec::new();
        for (version, kept) in versions.iter_mut().rev() {
            if meant(*version) && from.contains(&kept.state) {
                kept.state = to;
                changed.push(*version);
            }
        }
        Answer::Changed(changed)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let version = || 0_u32..5;
    let ask = prop_oneof![
        4 => (any::<u8>(), prop::option::weighted(0.3, 0_u32..4))
            .prop_map(|(blob, if_latest)| Ask::Store { blob, if_latest }),
        3 => version().prop_map(|version| Ask::Retrieve { version }),
        1 => Just(Ask::Rotate),
        2 => version().prop_map(|version| Ask::Delete { version }),
        1 => version().prop_map(|version| Ask::Undelete { version }),
        1 => version().prop_map(|version| Ask::Destroy { version }),
        1 => Just(Ask::Versions),
        1 => Just(Ask::List),
    ];
    let step = (0..4_usize, 0..NAMES.len(), ask).prop_map(|(machine, name, ask)| Step { machine, name, ask });
    prop::collection::vec(step, 1..40)
}

async fn send(channel: &mut Channel, name: &str, ask: &Ask) -> Result<Answer, Error> {
    let name: ResourceName = name.parse().unwrap();
    let numbers = |versions: Vec<Version>| Answer::Changed(versions.into_iter().map(Version::get).collect());
    let target = |version: u32| {
        let versions = Version::new(version).map_or(Which::All, Which::One);
        Target { name: name.clone(), versions }
    };
    let answer = match ask {
        Ask::Store { blob, if_latest } => {
            let if_latest = if_latest.map(|latest| Latest::of(Version::new(latest)));
            let store = Store {
                name,
                version: None,
                entry_type: EntryType::binary_blob(),
                exportable: true,
                blob: Secret::new(vec![*blob; 20]),
                options: PutOptions { if_latest, expires: None },
            };
            Answer::Version(channel.store(store).await?.get())
        }
        Ask::Retrieve { version } => {
            let Entry { blob, .. } =
                channel.retrieve(Retrieve { name, version: Version::new(*version) }).await?;
            Answer::Blob(Some(blob.expose().to_vec()))
        }
        Ask::Rotate => {
            Answer::Version(channel.rotate(Rotate { name, options: PutOptions::default() }).await?.get())
        }
        Ask::Delete { version } => numbers(channel.delete(target(*version)).await?),
        Ask::Undelete { version } => numbers(channel.undelete(target(*version)).await?),
        Ask::Destroy { version } => numbers(channel.destroy(target(*version)).await?),
        Ask::Versions => {
            let versions =
                Versions { name, before: None, limit: claviger_proto::key_service::PageSize::default() };
            let (infos, _) = channel.versions(versions).await?;
            Answer::Versions(infos.into_iter().map(|info| (info.version.get(), info.state)).collect())
        }
        Ask::List => {
            let listed = channel.list(List::default()).await?;
            Answer::Names(listed.names.into_iter().map(|info| info.name).collect())
        }
    };
    Ok(answer)
}

/// What the model says, as far as it knows: a rotated secret may be anything.
fn agrees(answer: &Answer, expected: &Answer) -> bool {
    match (answer, expected) {
        (Answer::Blob(Some(blob)), Answer::Blob(None)) => blob.len() == 20,
        (answer, expected) => answer == expected,
    }
}

#[test]
fn random_requests_of_several_machines_are_answered_as_the_model_says() {
    let broker = Broker::start();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let count = std::cell::Cell::new(0);
    let run = |steps: Vec<Step>| {
        count.set(count.get() + 1);
        let fleet = Fleet::create(&broker, &format!("fleet{}", count.get()), "provisioned");
        let states = ["deployment", "vm"].map(|label| fleet.admitted(&broker, label).state);
        let at = broker.listen.to_string().parse().unwrap();
        runtime.block_on(async {
            let mut channels = Vec::new();
            for machine in 0..4 {
                let identity = StateDir::new(&states[machine % 2]).identity().unwrap();
                channels.push(Channel::connect(&at, &identity, &Options::default()).await.unwrap());
            }
            let mut model = Model::default();
            for Step { machine, name, ask } in steps {
                let who = if machine % 2 == 0 { Machine::Deployment } else { Machine::Vm };
                let expected = model.ask(who, NAMES[name], &ask);
                let answer = match send(&mut channels[machine], NAMES[name], &ask).await {
                    Ok(answer) => answer,
                    Err(Error::Refused { refusal, .. }) => Answer::Refused(refusal.code),
                    Err(error) => panic!("{error}"),
                };
                prop_assert!(agrees(&answer, &expected), "{:?}: {:?}, not {:?}", ask, answer, expected);
            }
            Ok(())
        })?;
        fleet.verify_audit(&broker);
        Ok(())
    };
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&steps(), run).unwrap();
}
