//! Requests that change something: they wait for their commit, which records them.

use std::sync::Arc;

use claviger_acl::{Action, Permit};
use claviger_attest::{NewKey, NewKeyError};
use claviger_proto::error::ErrorCode;
use claviger_proto::key_service::{
    Generate, Latest, Outcome, PutOptions, Refusal, Rotate, Store, Target, Which,
};
use claviger_proto::{EntryType, ResourceName, Secret, Version};
use claviger_store::{AuditFacts, Change, ChangeVersions, Command, Done, PutEntry, Span, StoreError};

use super::{Asked, Step, Tools, failed, refusal};
use crate::net::tenant::SharedPlace;

/// Versions that are changed in one commit, when all are to be: each secret is opened and sealed anew.
const AT_ONCE: u32 = 32;

pub(super) fn store(mut asked: Asked, tools: &Tools, store: Store) -> Step {
    let Store { name, version, entry_type, exportable, blob, options } = store;
    let prepared = asked
        .may(Action::Store, &name)
        .and_then(|permit| check_expiry(&asked, options).map(|()| permit))
        .and_then(|permit| Ok((permit, place(&asked, tools)?)));
    match prepared {
        Ok((permit, place)) => {
            let made = Made { version, entry_type, exportable, blob, options };
            let command = Command::Put(put(&asked, permit, made));
            commit_later(asked, tools, command, place)
        }
        Err(refusal) => asked.refused(tools, refusal),
    }
}

/// A secret to put, wherever it comes from.
struct Made {
    version: Option<Version>,
    entry_type: EntryType,
    exportable: bool,
    blob: Secret,
    options: PutOptions,
}

fn put(asked: &Asked, permit: Permit, made: Made) -> PutEntry {
    let Made { version, entry_type, exportable, blob, options } = made;
    PutEntry {
        keys: Arc::clone(&asked.domain.keys),
        permit,
        version,
        entry_type,
        exportable,
        blob,
        options,
        quota: asked.domain.quota(),
        now: asked.seconds(),
        audit: committed(&asked.facts),
    }
}

fn check_expiry(asked: &Asked, options: PutOptions) -> Result<(), Refusal> {
    match options.expires {
        Some(expires) if expires <= asked.seconds() => Err(Refusal::new(
            ErrorCode::Refused,
            "the expiry lies in the past; leave it out, or choose a later one",
        )),
        _ => Ok(()),
    }
}

fn place(asked: &Asked, tools: &Tools) -> Result<SharedPlace, Refusal> {
    let busy = || {
        let text = "too many stores are waiting, of this domain or in all; try again in a second";
        Refusal::new(ErrorCode::Busy, text).after(1_000)
    };
    asked.domain.tenant.store(&tools.permits.stores).ok_or_else(busy)
}

pub(super) fn generate(mut asked: Asked, tools: &Tools, generate: Generate) -> Step {
    let Generate { name, kind, exportable, options } = generate;
    let prepared = asked
        .may(Action::Store, &name)
        .and_then(|permit| check_expiry(&asked, options).map(|()| permit))
        .and_then(|permit| Ok((permit, kind.parse().map_err(not_made)?)))
        .and_then(|(permit, kind)| Ok((permit, kind, making(&asked, tools)?, place(&asked, tools)?)));
    match prepared {
        Ok((permit, kind, making, place)) => {
            make_later(asked, tools, Plan { name, kind, exportable, options }, (permit, making, place))
        }
        Err(refusal) => asked.refused(tools, refusal),
    }
}

pub(super) fn rotate(mut asked: Asked, tools: &Tools, rotate: Rotate) -> Step {
    let Rotate { name, options } = rotate;
    let prepared = asked
        .may(Action::Rotate, &name)
        .and_then(|permit| check_expiry(&asked, options).map(|()| permit))
        .and_then(|permit| successor(&asked, &permit, name, options).map(|plan| (permit, plan)))
        .and_then(|(permit, plan)| Ok((permit, plan, making(&asked, tools)?, place(&asked, tools)?)));
    match prepared {
        Ok((permit, plan, making, place)) => make_later(asked, tools, plan, (permit, making, place)),
        Err(refusal) => asked.refused(tools, refusal),
    }
}

/// A key to make.
struct Plan {
    name: ResourceName,
    kind: NewKey,
    exportable: bool,
    options: PutOptions,
}

/// The successor of the latest version: of its kind, and put only as long as that is the latest.
fn successor(
    asked: &Asked,
    permit: &Permit,
    name: ResourceName,
    options: PutOptions,
) -> Result<Plan, Refusal> {
    let domain = &asked.domain;
    let latest = domain.storage.store.open_to_rotate(&domain.keys, permit, asked.seconds());
    let latest = latest.map_err(|error| refusal(&error))?;
    let is = Latest::of(latest.version);
    if options.if_latest.is_some_and(|expected| expected != is) {
        return Err(refusal(&StoreError::NotLatest { latest: latest.version }));
    }
    let kind = NewKey::like(&latest.entry_type, &latest.blob).map_err(not_made)?;
    let options = PutOptions { if_latest: Some(is), ..options };
    Ok(Plan { name, kind, exportable: latest.exportable, options })
}

fn not_made(error: NewKeyError) -> Refusal {
    let code = match error {
        NewKeyError::Kind | NewKeyError::Unlike => ErrorCode::Refused,
        NewKeyError::Randomness => ErrorCode::Unavailable,
    };
    Refusal::new(code, error.to_string())
}

fn making(asked: &Asked, tools: &Tools) -> Result<SharedPlace, Refusal> {
    let busy = || {
        let text = "too many keys are being made, of this domain or in all; try again in a few seconds";
        Refusal::new(ErrorCode::Busy, text).after(3_000)
    };
    asked.domain.tenant.key(&tools.permits.keys).ok_or_else(busy)
}

/// Makes the key on a thread that may take its time, and puts it.
fn make_later(
    asked: Asked,
    tools: &Tools,
    plan: Plan,
    (permit, making, place): (Permit, SharedPlace, SharedPlace),
) -> Step {
    let tools = tools.clone();
    Step::Later(Box::pin(async move {
        let Plan { name, kind, exportable, options } = plan;
        let made = actix_rt::task::spawn_blocking(move || {
            let _making = making;
            kind.make(&name)
        });
        match made.await.unwrap_or(Err(NewKeyError::Randomness)) {
            Ok((entry_type, blob)) => {
                let made = Made { version: None, entry_type, exportable, blob, options };
                let command = Command::Put(put(&asked, permit, made));
                commit(asked, &tools, command, place).await
            }
            Err(error) => asked.record(&tools, Outcome::Refused(not_made(error))),
        }
    }))
}

pub(super) fn change(mut asked: Asked, tools: &Tools, change: Change, target: Target) -> Step {
    let Target { name, versions } = target;
    let prepared = asked.may(change.action(), &name).and_then(|permit| Ok((permit, place(&asked, tools)?)));
    match (prepared, versions) {
        (Ok((permit, place)), Which::One(version)) => {
            let command = change_command(&asked, permit, change, Span::One(version));
            commit_later(asked, tools, command, place)
        }
        (Ok((permit, place)), Which::All) => {
            let tools = tools.clone();
            Step::Later(Box::pin(async move {
                match change_all(&mut asked, change, permit, &name).await {
                    Ok(changed) => {
                        drop(place);
                        done(&asked, &tools, Outcome::Changed(changed))
                    }
                    Err(refusal) => asked.record(&tools, Outcome::Refused(refusal)),
                }
            }))
        }
        (Err(refusal), _) => asked.refused(tools, refusal),
    }
}

fn change_command(asked: &Asked, permit: Permit, change: Change, span: Span) -> Command {
    let (keys, audit) = (Arc::clone(&asked.domain.keys), committed(&asked.facts));
    Command::Change(ChangeVersions { keys, permit, change, span, audit })
}

/// All versions that there are now, from the newest, some at a time. If it ends half-way, what was changed is
/// recorded, and asking again does the rest.
async fn change_all(
    asked: &mut Asked,
    change: Change,
    permit: Permit,
    name: &ResourceName,
) -> Result<Vec<Version>, Refusal> {
    let domain = Arc::clone(&asked.domain);
    let range = domain.storage.store.range(&domain.keys, &permit).map_err(|error| refusal(&error))?;
    let (first, mut last) = range.into_inner();
    let mut permit = Some(permit);
    let mut all = Vec::new();
    while last >= first {
        let from = last.saturating_sub(AT_ONCE - 1).max(first);
        let permit = permit.take().map_or_else(|| asked.may(change.action(), name), Ok)?;
        let command = change_command(asked, permit, change, Span::Range(from..=last));
        match domain.storage.commit(command).await {
            Ok(Done::Changed(changed)) => all.extend(changed),
            Ok(_) => return Err(refusal(&StoreError::Stopped)),
            Err(error) => return Err(refusal(&error)),
        }
        last = from - 1;
    }
    Ok(all)
}

fn commit_later(asked: Asked, tools: &Tools, command: Command, place: SharedPlace) -> Step {
    let tools = tools.clone();
    Step::Later(Box::pin(async move { commit(asked, &tools, command, place).await }))
}

/// The commit itself records what succeeds; what doesn't is recorded here.
async fn commit(asked: Asked, tools: &Tools, command: Command, place: SharedPlace) -> super::Held {
    match asked.domain.storage.commit_for(&tools.desk, command, place).await {
        Ok(Done::Stored { version, .. }) => done(&asked, tools, Outcome::Stored(version)),
        Ok(Done::Changed(versions)) => done(&asked, tools, Outcome::Changed(versions)),
        Ok(_) => super::Held::recorded(failed()),
        Err(error) => asked.record(tools, Outcome::Refused(refusal(&error))),
    }
}

fn done(asked: &Asked, tools: &Tools, outcome: Outcome) -> super::Held {
    tracing::debug!(id = %asked.id, domain = %asked.domain.name, action = %asked.facts.action, "committed");
    tools.recorder.committed(&asked.facts, outcome)
}

/// The record of what a commit does: it is there only if that is done.
fn committed(facts: &AuditFacts) -> AuditFacts {
    AuditFacts { outcome: "ok".into(), ..facts.clone() }
}
