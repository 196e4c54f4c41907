//! `key-admin ticket`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use claviger_attest::{TICKET, ticket_host_data, ticket_id};
use claviger_client::cli::{Failure, Report, Table, clock};
use claviger_client::files::write_new_private;
use claviger_proto::DomainName;
use claviger_proto::admin::{self, CreateTickets};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::domain::{self, InDomain};

#[derive(Subcommand)]
pub(crate) enum Ticket {
    /// Make launch tickets: each lets one machine in, once, and makes it an instance of its own
    Create(Create),
    #[command(after_help = "Example:\n  key-admin ticket list --domain fleet")]
    /// List a domain's tickets: which are used, by which certificate, and who came again with one
    List(InDomain),
    #[command(after_help = "Example:\n  key-admin ticket revoke --domain fleet ID")]
    /// Take a ticket back that wasn't used
    Revoke(Revoke),
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin ticket create --domain fleet --label vm-7 --out vm-7.ticket
  key-admin ticket create --domain fleet --count 20 --expires-in 2h

The ticket is a secret of the machine that it is for; the broker is told its id only, which is the instance that it
makes. A machine shows the ticket (key-client enroll --ticket-file), which is the stronger way: or it is launched with
the host data that is shown beside the ticket (SHA-256 of its bytes; the id is the SHA-256 of that), which whoever
launches machines there can see and use.")]
pub(crate) struct Create {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// What to call the machine; access rules may say instance:LABEL
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// For how long it can be used: a number and s, m, h or d
    #[arg(long, value_name = "TIME", value_parser = clock::duration, default_value = "1h")]
    expires_in: i64,
    /// How many, all with the same label
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Write the tickets into this new file (mode 0600), one a line, and don't show them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The ticket's id, 64 hex digits
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(context: &Context, command: &Ticket) -> Result<(), Failure> {
    match command {
        Ticket::Create(args) => create(context, args).await,
        Ticket::List(args) => {
            let tickets = context.api()?.get(&path(&args.domain)).await?;
            context.tell(&All { tickets })
        }
        Ticket::Revoke(args) => {
            if args.id.len() != 64 || hex::decode(&args.id).is_err() {
                let next = "take it from: key-admin ticket list";
                return Err(Failure::new("usage", 2, "a ticket's id is 64 hex digits", next));
            }
            context.api()?.delete(&format!("{}/{}", path(&args.domain), args.id)).await?;
            context.tell(&Revoked { id: args.id.clone(), done: true })
        }
    }
}

fn path(domain: &DomainName) -> String {
    format!("{}/tickets", domain::path(domain))
}

async fn create(context: &Context, args: &Create) -> Result<(), Failure> {
    let api = context.api()?;
    let tickets = (0..args.count).map(|_| random_ticket()).collect::<Result<Vec<_>, _>>()?;
    let ids =
        tickets.iter().map(|ticket| hex::encode(ticket_id(&ticket_host_data(ticket.as_slice())))).collect();
    // Before the broker knows them: a ticket whose file can't be written never was one.
    if let Some(out) = &args.out {
        let lines = tickets.iter().map(|ticket| Zeroizing::new(hex::encode(ticket.as_slice()) + "\n"));
        let mut text = Zeroizing::new(Vec::with_capacity(tickets.len() * (2 * TICKET + 1)));
        lines.for_each(|line| text.extend_from_slice(line.as_bytes()));
        write_new_private(out, &text)?;
    }
    let request = CreateTickets { ids, label: args.label.clone(), expires_in: args.expires_in };
    let made: Result<Vec<admin::Ticket>, _> = api.post(&path(&args.domain), &request).await;
    if let (Err(_), Some(out)) = (&made, &args.out) {
        // The broker's word is what to tell; the file is worth nothing.
        let _ = std::fs::remove_file(out);
    }
    let shown = tickets.into_iter().map(|ticket| args.out.is_none().then(|| Shown(ticket)));
    let tickets = made?.into_iter().zip(shown).map(|(ticket, shown)| Made { shown, ticket }).collect();
    context.tell(&Created { tickets, out: args.out.clone() })
}

fn random_ticket() -> Result<Zeroizing<[u8; TICKET]>, Failure> {
    let mut ticket = Zeroizing::new([0; TICKET]);
    aws_lc_rs::rand::fill(ticket.as_mut_slice())
        .map_err(|_| Failure::new("system", 1, "the system gives no randomness", "try again"))?;
    Ok(ticket)
}

/// A ticket on its way to who asked for it.
struct Shown(Zeroizing<[u8; TICKET]>);

impl Shown {
    fn ticket(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_slice()))
    }

    /// As good as the ticket where the domain demands one.
    fn host_data(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(ticket_host_data(self.0.as_slice())))
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Shown", 2)?;
        shown.serialize_field("ticket", self.ticket().as_str())?;
        shown.serialize_field("host_data", self.host_data().as_str())?;
        shown.end()
    }
}

#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Option<Shown>,
    #[serde(flatten)]
    ticket: admin::Ticket,
}

#[derive(Serialize)]
struct Created {
    tickets: Vec<Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
}

impl Report for Created {
    fn text(&self) -> String {
        let mut lines = Vec::new();
        for Made { shown, ticket } in &self.tickets {
            if let Some(shown) = shown {
                lines.push(format!("ticket {}", shown.ticket().as_str()));
                lines.push(format!("  host data {}", shown.host_data().as_str()));
            }
            let label = ticket.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
            lines.push(format!(
                "  id {}{label}, good once, until {}",
                ticket.id,
                clock::text(ticket.expires)
            ));
        }
        lines.extend(self.out.as_ref().map(|out| format!("written to {}", out.display())));
        lines.join("\n")
    }
}

#[derive(Serialize)]
struct All {
    tickets: Vec<admin::Ticket>,
}

impl Report for All {
    fn text(&self) -> String {
        let mut table = Table::new(["id", "label", "state", "until", "used by", "used at", "refused"]);
        for ticket in &self.tickets {
            let time = |seconds: Option<i64>| seconds.map(clock::text).unwrap_or_default();
            let refused = match ticket.refused {
                0 => String::new(),
                times => format!("{times}, last {}", time(ticket.refused_last)),
            };
            table.row([
                ticket.id.clone(),
                ticket.label.clone().unwrap_or_default(),
                ticket.state.clone(),
                clock::text(ticket.expires),
                ticket.used_by.clone().unwrap_or_default(),
                time(ticket.used_at),
                refused,
            ]);
        }
        table.render()
    }
}

#[derive(Serialize)]
struct Revoked {
    id: String,
    #[serde(rename = "revoked")]
    done: bool,
}

impl Report for Revoked {
    fn text(&self) -> String {
        format!("revoked: {}", self.id)
    }
}
