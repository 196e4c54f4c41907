//! `key-admin acl`

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::cli::Failure;
use claviger_proto::DomainName;
use claviger_proto::admin::SetPreset;

use crate::acl_edit::{self, Allow, Deny, Remove, Role};
use crate::acl_rules::{self, Rules};
use crate::acl_test::{self, Explain, Test};
use crate::context::Context;
use crate::domain::{InDomain, One, path};

#[derive(Subcommand)]
pub(crate) enum Acl {
    /// Put one of the ready-made rules in force
    Preset(Preset),
    /// Rules of one's own beside the ready-made ones
    #[command(subcommand)]
    Rules(Rules),
    /// Add rules that allow something
    Allow(Allow),
    /// Add rules that deny something, whatever others allow
    Deny(Deny),
    /// Take a rule or a role away
    Remove(Remove),
    /// Give a role, or take it away
    #[command(subcommand)]
    Role(Role),
    /// List the owner's rules and roles, by their lines
    #[command(after_help = "Example:\n  key-admin acl list --domain fleet")]
    List(InDomain),
    /// Ask whether a given peer could do something now
    Test(Test),
    /// The same, with the rule that decides; or why a request that was refused was
    Explain(Explain),
}

#[derive(Args)]
#[command(after_help = "\
Example:
  key-admin acl preset --domain fleet provisioned

In force for the next request, also on connections that are open.")]
pub(crate) struct Preset {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Which
    #[arg(value_enum, value_name = "NAME")]
    preset: PresetName,
}

/// The ready-made rules.
#[derive(ValueEnum, Clone, Copy, Default)]
pub(crate) enum PresetName {
    /// Nobody may do anything
    #[default]
    Closed,
    /// Every member stores and retrieves
    Members,
    /// Machines whose measurement is labelled `deployment` store, every member retrieves
    Provisioned,
    /// Each instance has the names below `instances/` and its own id; `deployment` stores, everywhere
    Instances,
}

impl PresetName {
    /// The name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Members => "members",
            Self::Provisioned => "provisioned",
            Self::Instances => "instances",
        }
    }
}

pub(crate) async fn run(context: &Context, command: &Acl) -> Result<ExitCode, Failure> {
    let args = match command {
        Acl::Preset(args) => args,
        Acl::Rules(command) => {
            return acl_rules::run(context, command).await.map(|()| ExitCode::SUCCESS);
        }
        Acl::Allow(args) => return acl_edit::allow(context, args).await,
        Acl::Deny(args) => return acl_edit::deny(context, args).await,
        Acl::Remove(args) => return acl_edit::remove(context, args).await,
        Acl::Role(args) => return acl_edit::role(context, args).await,
        Acl::List(args) => return acl_edit::list(context, args).await,
        Acl::Test(args) => return acl_test::test(context, args).await,
        Acl::Explain(args) => {
            return acl_test::explain(context, args).await.map(|()| ExitCode::SUCCESS);
        }
    };
    let request = SetPreset { preset: args.preset.as_str().to_owned() };
    let domain = context.api()?.put(&format!("{}/acl-preset", path(&args.domain)), &request).await?;
    context.tell(&One { domain, done: Some("changed") })?;
    Ok(ExitCode::SUCCESS)
}
