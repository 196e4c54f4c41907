//! Entries against a map, over both engines, with the store opened anew in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use claviger_store::engine::{AnyEngine, MemoryEngine, SledEngine};
use claviger_store::{Store, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::common::{World, id, root};

#[derive(Clone, Debug)]
struct Put {
    name: &'static str,
    version: u32,
    blob: u8,
    large: bool,
    exportable: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Put>),
    Reopen,
}

/// What the model keeps of a version.
#[derive(Clone, PartialEq)]
struct Kept {
    blob: Vec<u8>,
    exportable: bool,
}

#[derive(Default)]
struct Model(HashMap<&'static str, BTreeMap<u32, Kept>>);

impl Model {
    /// The outcome that a put must have: the version, or `None` for a conflict.
    fn put(&mut self, put: &Put) -> Option<(u32, bool)> {
        let versions = self.0.entry(put.name).or_default();
        let kept = Kept { blob: blob(put), exportable: put.exportable };
        let highest = versions.keys().last().copied();
        let next = highest.map_or(1, |highest| highest + 1);
        let version = match put.version {
            0 => next,
            asked if highest.is_none() || asked == next => asked,
            asked => return (versions.get(&asked)? == &kept).then_some((asked, true)),
        };
        versions.insert(version, kept);
        Some((version, false))
    }

    fn get(&self, name: &str, version: u32) -> Option<&[u8]> {
        let versions = self.0.get(name)?;
        let kept = if version == 0 { versions.values().last() } else { versions.get(&version) };
        kept.filter(|kept| kept.exportable).map(|kept| kept.blob.as_slice())
    }
}

fn blob(put: &Put) -> Vec<u8> {
    vec![put.blob; if put.large { 9_000 } else { 33 }]
}

const NAMES: [&str; 3] = ["a", "web/tls/key", "A"];

fn puts() -> impl Strategy<Value = Put> {
    (
        prop::sample::select(&NAMES[..]),
        0_u32..5,
        0_u8..3,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(name, version, blob, large, exportable)| Put {
            name,
            version,
            blob,
            large,
            exportable,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => prop::collection::vec(puts(), 1..6).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..12)
}

fn run(world: World, reopen: impl Fn(World) -> World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut world, mut model) = (world, Model::default());
    for step in steps {
        match step {
            Step::Reopen => world = reopen(world),
            Step::Commit(puts) => {
                let expected: Vec<_> = puts.iter().map(|put| model.put(put)).collect();
                let command = |put: &Put| {
                    let mut command = world.put_command(put.name, put.version, &blob(put));
                    command.exportable = put.exportable;
                    command
                };
                let commands = puts.iter().map(command).collect();
                for (outcome, expected) in world.commit(commands).into_iter().zip(expected) {
                    match outcome {
                        Err(StoreError::Conflict { .. }) => prop_assert_eq!(expected, None),
                        outcome => prop_assert_eq!(outcome.ok(), expected),
                    }
                }
            }
        }
        for name in NAMES {
            for version in 0..12 {
                match world.get(name, version) {
                    Ok(got) => prop_assert!(Some(got.as_slice()) == model.get(name, version)),
                    Err(StoreError::NotFound) => prop_assert_eq!(model.get(name, version), None),
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
        }
    }
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
