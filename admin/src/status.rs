//! `key-admin status`

use std::fmt::Write as _;

use claviger_client::cli::clock;
use claviger_client::cli::{Failure, Report};
use claviger_proto::admin::{Home, State, Status};
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
        let Status { version, state, broker_id, domains, shards, connections, home } = &self.status;
        let state = match state {
            State::Sealed => "sealed: it serves nothing until it is unsealed",
            State::Ready => "ready",
            State::Draining => "draining: it takes nothing new",
        };
        let domains = match domains {
            Some(domains) => format!("{domains} domains"),
            None => "domains unknown while it is sealed".to_owned(),
        };
        format!(
            "broker {broker_id}, version {version}\n  {state}\n  \
             {domains}, {shards} shards, {connections} connections{}",
            home.as_ref().map(of_home).unwrap_or_default()
        )
    }
}

fn of_home(home: &Home) -> String {
    let mut text = format!("\n  home {}", home.address);
    for pulled in &home.domains {
        let last = pulled.last_ok.map(|at| format!(", last heard {}", clock::text(at))).unwrap_or_default();
        let why = pulled.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        // Writing to a string can't fail.
        let _ = write!(text, "\n    {} {}{last}{why}", pulled.domain, pulled.state);
    }
    text
}
