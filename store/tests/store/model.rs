//! Entries against a map, over both engines, with the store opened anew in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_proto::Version;
use claviger_proto::key_service::{Latest, State};
use claviger_store::engine::{AnyEngine, MemoryEngine, SledEngine};
use claviger_store::{Change, Done, Store, StoreError, Usage, VERSION_BYTES};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::common::{NOW, World, id, root};

#[derive(Clone, Debug)]
struct Put {
    name: &'static str,
    version: u32,
    blob: u8,
    large: bool,
    exportable: bool,
    /// After so many ticks of the model's clock.
    expires: Option<i64>,
    if_latest: Option<u32>,
}

#[derive(Clone, Debug)]
struct Alter {
    name: &'static str,
    change: Change,
    /// 0 is all of them.
    version: u32,
}

#[derive(Clone, Debug)]
enum Command {
    Put(Put),
    Alter(Alter),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Command>),
    Tick,
    Reopen,
}

/// What the model keeps of a version.
#[derive(Clone, PartialEq)]
struct Kept {
    blob: Vec<u8>,
    exportable: bool,
    expires: Option<i64>,
    state: State,
}

#[derive(Default)]
struct Model {
    names: BTreeMap<&'static str, BTreeMap<u32, Kept>>,
    now: i64,
}

/// What a command comes to, in the model and in the store.
#[derive(Debug, PartialEq)]
enum Outcome {
    Stored(u32, bool),
    Changed(Vec<u32>),
    Conflict,
    NotFound,
}

impl Model {
    fn apply(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Put(put) => self.put(put),
            Command::Alter(alter) => self.alter(alter),
        }
    }

    fn put(&mut self, put: &Put) -> Outcome {
        let expires = put.expires.map(|ticks| self.now + ticks);
        let kept = Kept { blob: blob(put), exportable: put.exportable, expires, state: State::There };
        let versions = self.names.get(put.name);
        let highest = versions.and_then(|versions| versions.keys().last().copied());
        if put.if_latest.is_some_and(|latest| highest.unwrap_or(0) != latest) {
            return Outcome::Conflict;
        }
        let next = highest.map_or(1, |highest| highest + 1);
        let version = match put.version {
            0 => next,
            asked if highest.is_none() || asked == next => asked,
            asked => {
                let same = versions.and_then(|versions| versions.get(&asked)) == Some(&kept);
                return if same { Outcome::Stored(asked, true) } else { Outcome::Conflict };
            }
        };
        self.names.entry(put.name).or_default().insert(version, kept);
        Outcome::Stored(version, false)
    }

    fn alter(&mut self, alter: &Alter) -> Outcome {
        let Some(versions) = self.names.get_mut(alter.name) else {
            return if alter.version == 0 { Outcome::Changed(vec![]) } else { Outcome::NotFound };
        };
        if alter.version != 0 {
            match versions.get(&alter.version).map(|kept| kept.state) {
                None => return Outcome::NotFound,
                Some(State::Destroyed) if alter.change != Change::Destroy => return Outcome::Conflict,
                _ => {}
            }
        }
        let mut changed = Vec::new();
        for (version, kept) in versions.iter_mut().rev() {
            let next = match (alter.change, kept.state) {
                (Change::Delete, State::There) => State::Deleted,
                (Change::Undelete, State::Deleted) => State::There,
                (Change::Destroy, State::There | State::Deleted) => State::Destroyed,
                _ => continue,
            };
            if alter.version == 0 || alter.version == *version {
                kept.state = next;
                changed.push(*version);
            }
        }
        Outcome::Changed(changed)
    }

    fn get(&self, name: &str, version: u32) -> Option<&[u8]> {
        let versions = self.names.get(name)?;
        let kept = if version == 0 { versions.values().last() } else { versions.get(&version) };
        let there = |kept: &&Kept| kept.exportable && self.state(kept) == State::There;
        kept.filter(there).map(|kept| kept.blob.as_slice())
    }

    fn usage(&self) -> Usage {
        let versions = self.names.values().flat_map(BTreeMap::values);
        let secret = |kept: &Kept| if kept.state == State::Destroyed { 0 } else { kept.blob.len() as u64 };
        let bytes = versions.map(|kept| secret(kept) + VERSION_BYTES).sum();
        Usage { names: self.names.len() as u64, bytes }
    }

    fn state(&self, kept: &Kept) -> State {
        match kept.state {
            State::There if kept.expires.is_some_and(|at| at <= self.now) => State::Expired,
            state => state,
        }
    }

    /// Versions with their states, from the newest.
    fn states(&self, name: &str) -> Vec<(u32, State)> {
        let versions = self.names.get(name).into_iter().flatten().rev();
        versions.map(|(version, kept)| (*version, self.state(kept))).collect()
    }
}

fn blob(put: &Put) -> Vec<u8> {
    vec![put.blob; if put.large { 9_000 } else { 33 }]
}

const NAMES: [&str; 4] = ["a", "web/tls/key", "A", "a/b"];

fn puts() -> impl Strategy<Value = Put> {
    (
        prop::sample::select(&NAMES[..]),
        0_u32..5,
        0_u8..3,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
        prop::option::weighted(0.2, 1_i64..4),
        prop::option::weighted(0.2, 0_u32..5),
    )
        .prop_map(|(name, version, blob, large, exportable, expires, if_latest)| Put {
            name,
            version,
            blob,
            large,
            exportable,
            expires,
            if_latest,
        })
}

fn alters() -> impl Strategy<Value = Alter> {
    let changes = [Change::Delete, Change::Delete, Change::Undelete, Change::Undelete, Change::Destroy];
    (prop::sample::select(&NAMES[..]), prop::sample::select(changes.to_vec()), 0_u32..5)
        .prop_map(|(name, change, version)| Alter { name, change, version })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let command = prop_oneof![3 => puts().prop_map(Command::Put), 2 => alters().prop_map(Command::Alter)];
    let step = prop_oneof![
        6 => prop::collection::vec(command, 1..6).prop_map(Step::Commit),
        1 => Just(Step::Tick),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..16)
}

fn to_command(world: &World, command: &Command, now: i64) -> claviger_store::Command {
    match command {
        Command::Put(put) => {
            let mut command = world.put_command(put.name, put.version, &blob(put));
            command.exportable = put.exportable;
            command.options.expires = put.expires.map(|ticks| now + ticks);
            command.options.if_latest = put.if_latest.map(|latest| Latest::of(Version::new(latest)));
            claviger_store::Command::Put(command)
        }
        Command::Alter(alter) => world.change_command(alter.name, alter.change, alter.version),
    }
}

fn outcome(outcome: Result<Done, StoreError>) -> Result<Outcome, StoreError> {
    match outcome {
        Ok(Done::Stored { version, repeated }) => Ok(Outcome::Stored(version.get(), repeated)),
        Ok(Done::Changed(versions)) => Ok(Outcome::Changed(versions.into_iter().map(Version::get).collect())),
        Ok(_) => panic!("something else was done"),
        Err(StoreError::Conflict { .. } | StoreError::NotLatest { .. } | StoreError::Destroyed) => {
            Ok(Outcome::Conflict)
        }
        Err(StoreError::NotFound) => Ok(Outcome::NotFound),
        Err(error) => Err(error),
    }
}

fn run(world: World, reopen: impl Fn(World) -> World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut world, mut model) = (world, Model { now: NOW, ..Model::default() });
    for step in steps {
        match step {
            Step::Reopen => world = reopen(world),
            Step::Tick => model.now += 1,
            Step::Commit(commands) => {
                // What is meant by all is looked up before it is asked for, so such a command begins a commit.
                let all = |command: &Command| matches!(command, Command::Alter(Alter { version: 0, .. }));
                for commands in commands.chunk_by(|_, next| !all(next)) {
                    let sent =
                        commands.iter().map(|command| to_command(&world, command, model.now)).collect();
                    let done = world.writer.commit(sent);
                    for (command, done) in commands.iter().zip(done) {
                        let expected = model.apply(command);
                        prop_assert_eq!(outcome(done).unwrap(), expected, "{:?}", command);
                    }
                }
            }
        }
        compare(&world, &model)?;
    }
    let report = world.verify(&std::env::temp_dir().join("no-segments"));
    prop_assert_eq!(report.findings, vec![]);
    Ok(())
}

fn compare(world: &World, model: &Model) -> Result<(), TestCaseError> {
    for name in NAMES {
        for version in 0..12 {
            match world.get_at(name, version, model.now) {
                Ok(got) => prop_assert!(Some(got.as_slice()) == model.get(name, version)),
                Err(StoreError::NotFound) => prop_assert_eq!(model.get(name, version), None),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        let states = world.states(name, model.now);
        prop_assert_eq!(states, model.states(name));
    }
    let usage = world.store.usage(&world.keys).unwrap();
    prop_assert_eq!(usage, model.usage());
    prop_assert_eq!(usage, world.store.count_usage(&world.keys).unwrap());
    let names: Vec<&str> = model.names.keys().copied().collect();
    prop_assert_eq!(world.names("", None), names);
    Ok(())
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn entries_behave_as_the_model_in_memory() {
    let run = |steps| run(World::over(MemoryEngine::new().into()), World::reopen, steps);
    runner(60).run(&steps(), run).unwrap();
}

#[test]
fn entries_behave_as_the_model_in_files() {
    let run = |steps| {
        let dir = tempfile::tempdir().unwrap();
        let open = || -> AnyEngine { SledEngine::open(dir.path()).unwrap().into() };
        let reopen = |world: World| {
            let World { engine, store, writer, keys, member } = world;
            drop((engine, store, writer, keys));
            let engine = Arc::new(open());
            let store = Store::open(Arc::clone(&engine), &root(), id()).unwrap();
            let writer = store.writer().unwrap();
            let keys = store.domain(&"alpha".parse().unwrap()).unwrap().unwrap().keys;
            World { engine, store, writer, keys, member }
        };
        run(World::over(open()), reopen, steps)
    };
    runner(15).run(&steps(), run).unwrap();
}
