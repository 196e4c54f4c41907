//! `key-admin status`

use claviger_client::cli::{Failure, Report};
use claviger_proto::admin::{State, Status};
use serde::Serialize;

use crate::context::Context;

pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let status = context.api()?.get("/v1/status").await?;
    context.tell(&Told { status })
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    status: Status,
}

impl Report for Told {
    fn text(&self) -> String {
        let Status { version, state, broker_id, domains, shards, connections } = &self.status;
        let state = match state {
            State::Sealed => "sealed: it serves nothing until it is unsealed",
            State::Ready => "ready",
            State::Draining => "draining: it takes nothing new",
        };
        format!(
            "broker {broker_id}, version {version}\n  {state}\n  \
             {domains} domains, {shards} shards, {connections} connections"
        )
    }
}
