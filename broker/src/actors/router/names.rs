//! Listing names: only those that the peer may list, and nothing of how many others there are.

use claviger_acl::Action;
use claviger_proto::ResourceName;
use claviger_proto::key_service::{List, Listed, NameInfo, Outcome, Refusal};
use claviger_store::StoreError;

use super::{Asked, Step, Tools, refusal};

/// Names looked at in one turn of the event loop, whether the peer may list them or not, so that others get theirs.
const TURN: usize = 256;

pub(super) fn list(asked: Asked, tools: &Tools, list: List) -> Step {
    let tools = tools.clone();
    Step::Later(Box::pin(async move {
        let outcome = page(&asked, &list).await.map_or_else(Outcome::Refused, Outcome::Listed);
        asked.record(&tools, outcome)
    }))
}

async fn page(asked: &Asked, list: &List) -> Result<Listed, Refusal> {
    let limit = list.limit.get();
    let mut after = list.after.clone();
    let mut page = Listed::default();
    loop {
        let names = candidates(asked, list, after.as_ref()).await.map_err(|error| refusal(&error))?;
        for name in &names {
            if let Some(info) = visible(asked, name).map_err(|error| refusal(&error))? {
                page.names.push(info);
            }
            if page.names.len() == limit {
                // Not whether there are more: that could be names that the peer may not see.
                page.next = Some(name.to_wire(&asked.domain.name));
                return Ok(page);
            }
        }
        if names.len() < TURN {
            return Ok(page);
        }
        after = names.into_iter().last();
        tokio::task::yield_now().await;
    }
}

/// The names of the domain after this one.
async fn candidates(
    asked: &Asked,
    list: &List,
    after: Option<&ResourceName>,
) -> Result<Vec<ResourceName>, StoreError> {
    let domain = &asked.domain;
    let look = || domain.storage.store.names(&domain.keys, &list.prefix, after, TURN);
    if let Some(names) = look() {
        return Ok(names);
    }
    // The first question of this kind in a domain since the broker was started or unsealed.
    let (store, keys) = (domain.storage.store.clone(), std::sync::Arc::clone(&domain.keys));
    let indexed = actix_rt::task::spawn_blocking(move || store.index_names(&keys)).await;
    indexed.unwrap_or(Err(StoreError::Stopped))?;
    look().ok_or(StoreError::NotFound)
}

/// What the peer is told of a name, if it may list it.
fn visible(asked: &Asked, name: &ResourceName) -> Result<Option<NameInfo>, StoreError> {
    let Ok(permit) = asked.decide(Action::List, name) else { return Ok(None) };
    let domain = &asked.domain;
    let latest = domain.storage.store.describe(&domain.keys, &permit, None, asked.seconds())?;
    Ok(Some(NameInfo { name: name.to_wire(&domain.name), latest }))
}
