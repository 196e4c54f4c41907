//! `key-admin acl allow`, `deny`, `remove`, `role` and `list`: the owner's rules, line by line.
//!
//! What an edit doesn't touch stays as it is, comments too. The broker takes the new text only in the place of the one
//! that was read.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claviger_client::cli::{Failure, Report, Table};
use claviger_proto::admin::{AclRules, AclRulesInForce};
use claviger_proto::{DomainName, ErrorCode};
use serde::Serialize;

use crate::acl_rules::place;
use crate::context::Context;
use crate::domain::InDomain;

/// How often an edit is made anew, where another came between.
const TRIES: usize = 5;

#[derive(Args)]
struct Rule {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Who: member, measurement:HEX, fingerprint:HEX, label:NAME, instance:HEX|NAME, principal:NAME, role:NAME
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// Which: a name, in which * stands for one segment, and ** at the end for all that follow
    #[arg(value_name = "RESOURCE")]
    resource: String,
    /// store, retrieve, list, versions, delete, destroy, rotate
    #[arg(value_name = "ACTION[,ACTION]", value_delimiter = ',', required = true)]
    actions: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl allow --domain fleet label:web web/** retrieve,list
  key-admin acl allow --domain fleet principal:ops recovery/** retrieve
  key-admin acl allow --domain fleet label:backup backups/** store --if 'source 10.9.0.0/16 and between 22:00-06:00'")]
pub(crate) struct Allow {
    #[command(flatten)]
    rule: Rule,
    /// Only where this holds
    #[arg(long = "if", value_name = "CONDITION")]
    condition: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl deny --domain fleet member archive/** destroy
  key-admin acl deny --domain fleet member disks/** retrieve --unless 'fresh-within 5m'")]
pub(crate) struct Deny {
    #[command(flatten)]
    rule: Rule,
    /// Except where this holds
    #[arg(long = "unless", value_name = "CONDITION")]
    condition: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  key-admin acl remove --domain fleet 3
  key-admin acl remove --domain fleet 'p, member, fleet, archive/**, destroy, deny'

A line by its number, as key-admin acl list shows it, or by its words, which is the surer way where others change them
too.")]
pub(crate) struct Remove {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// The line
    #[arg(value_name = "NUMBER|LINE")]
    line: String,
}

#[derive(Subcommand)]
pub(crate) enum Role {
    /// Give a role
    #[command(after_help = "Example:\n  key-admin acl role add --domain fleet label:web frontend")]
    Add(Given),
    /// Take it away
    #[command(after_help = "Example:\n  key-admin acl role remove --domain fleet label:web frontend")]
    Remove(Given),
}

#[derive(Args)]
pub(crate) struct Given {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Whom: a subject of rules, as key-admin acl allow --help says
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// The role's name
    #[arg(value_name = "ROLE")]
    role: String,
}

pub(crate) async fn allow(context: &Context, args: &Allow) -> Result<ExitCode, Failure> {
    let condition = args.condition.as_ref().map(|text| format!("if {text}"));
    add(context, &args.rule.domain, &args.rule.lines("allow", condition.as_deref())?).await
}

pub(crate) async fn deny(context: &Context, args: &Deny) -> Result<ExitCode, Failure> {
    let condition = args.condition.as_ref().map(|text| format!("unless {text}"));
    add(context, &args.rule.domain, &args.rule.lines("deny", condition.as_deref())?).await
}

pub(crate) async fn remove(context: &Context, args: &Remove) -> Result<ExitCode, Failure> {
    let number = args.line.parse::<usize>().ok();
    // A number says which line only in the text that its giver saw.
    let tries = if number.is_some() { 1 } else { TRIES };
    let is = |place: usize, line: &str| {
        says_something(line)
            && number.map_or_else(|| fields(line) == fields(&args.line), |number| number == place)
    };
    change(context, &args.domain, tries, |text| take(text, is)).await
}

pub(crate) async fn role(context: &Context, command: &Role) -> Result<ExitCode, Failure> {
    match command {
        Role::Add(given) => add(context, &given.domain, &[given.line()?]).await,
        Role::Remove(given) => {
            let line = given.line()?;
            let is = |_: usize, other: &str| fields(other) == fields(&line);
            change(context, &given.domain, TRIES, |text| take(text, is)).await
        }
    }
}

pub(crate) async fn list(context: &Context, args: &InDomain) -> Result<ExitCode, Failure> {
    let rules: AclRulesInForce = context.api()?.get(&place(&args.domain)).await?;
    context.warn(&rules.warnings);
    context.tell(&Lines::of(&rules.rules))?;
    Ok(ExitCode::SUCCESS)
}

impl Rule {
    /// A line for each action.
    fn lines(&self, effect: &str, condition: Option<&str>) -> Result<Vec<String>, Failure> {
        let Self { domain, subject, resource, actions } = self;
        let line = |action: &String| {
            let own = [subject, resource, action].map(String::as_str);
            own.into_iter().chain(condition).try_for_each(one_field)?;
            let condition = condition.map(|text| format!(", {text}")).unwrap_or_default();
            Ok(format!("p, {subject}, {domain}, {resource}, {action}, {effect}{condition}"))
        };
        actions.iter().map(line).collect()
    }
}

impl Given {
    fn line(&self) -> Result<String, Failure> {
        let Self { domain, subject, role } = self;
        [subject, role].into_iter().try_for_each(|text| one_field(text))?;
        Ok(format!("g, {subject}, role:{role}, {domain}"))
    }
}

/// What would be more than one field, or more than one line, would mean something else than it seems to.
fn one_field(text: &str) -> Result<(), Failure> {
    if text.contains(',') || text.contains(char::is_control) {
        let message =
            format!("{text:?} has a comma or the end of a line in it, and a part of a rule has neither");
        return Err(Failure::new("usage", 2, message, "give each part as an argument of its own"));
    }
    Ok(())
}

fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// A line's words: two that have the same ones are the same, however they are spaced.
fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).collect()
}

/// The text with these lines at its end, those that aren't in it yet.
fn with(text: &str, lines: &[String]) -> String {
    let mut new = text.to_owned();
    for line in lines {
        if new.lines().any(|there| fields(there) == fields(line)) {
            continue;
        }
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.extend([line, "\n"]);
    }
    new
}

/// The text without the lines that are meant; numbers are from 1.
fn take(text: &str, is: impl Fn(usize, &str) -> bool) -> Result<String, Failure> {
    let kept: Vec<&str> = text
        .split_inclusive('\n')
        .enumerate()
        .filter(|(i, line)| !is(i + 1, line))
        .map(|(_, line)| line)
        .collect();
    if kept.len() == text.split_inclusive('\n').count() {
        let next = "key-admin acl list shows the lines there are";
        return Err(Failure::coded(ErrorCode::NotFound, "there is no such rule or role", next));
    }
    Ok(kept.concat())
}

async fn add(context: &Context, domain: &DomainName, lines: &[String]) -> Result<ExitCode, Failure> {
    change(context, domain, TRIES, |text| Ok(with(text, lines))).await
}

/// Changes the rules in force, from what they then say.
async fn change(
    context: &Context,
    domain: &DomainName,
    tries: usize,
    edit: impl Fn(&str) -> Result<String, Failure>,
) -> Result<ExitCode, Failure> {
    let (api, place) = (context.api()?, place(domain));
    for left in (0..tries).rev() {
        let (before, tag): (AclRulesInForce, String) = api.get_tagged(&place).await?;
        let rules = edit(&before.rules)?;
        let changed = rules != before.rules;
        let put =
            if changed { api.put_if(&place, &AclRules { rules }, &tag).await } else { Ok(before.clone()) };
        match put {
            Err(failure) if left > 0 && failure.code() == ErrorCode::Conflict.as_str() => {}
            Err(failure) => return Err(failure.with_next("key-admin acl list shows what the rules say now")),
            Ok(after) => {
                context.warn(&after.warnings);
                context.tell(&Changed::between(&before.rules, &after.rules))?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    unreachable!("the last try returns")
}

/// What an edit did.
#[derive(Serialize)]
struct Changed {
    added: Vec<String>,
    removed: Vec<String>,
}

impl Changed {
    fn between(before: &str, after: &str) -> Self {
        let only = |of: &str, and: &str| {
            let there: Vec<&str> = and.lines().collect();
            of.lines().filter(|line| !there.contains(line)).map(str::to_owned).collect()
        };
        Self { added: only(after, before), removed: only(before, after) }
    }
}

impl Report for Changed {
    fn text(&self) -> String {
        let removed = self.removed.iter().map(|line| format!("- {line}"));
        let lines: Vec<_> = removed.chain(self.added.iter().map(|line| format!("+ {line}"))).collect();
        if lines.is_empty() { "nothing to change".to_owned() } else { lines.join("\n") }
    }
}

/// The rules and roles there are.
#[derive(Serialize)]
struct Lines {
    rules: Vec<Listed>,
    roles: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    /// From 1, as an explanation counts.
    line: usize,
    text: String,
}

impl Lines {
    fn of(text: &str) -> Self {
        let all = text.lines().enumerate().filter(|(_, line)| says_something(line));
        let listed = all.map(|(i, line)| Listed { line: i + 1, text: line.trim().to_owned() });
        let (given, rules) = listed.partition(|listed| fields(&listed.text)[0] == "g");
        Self { rules, roles: given }
    }
}

impl Report for Lines {
    fn text(&self) -> String {
        if self.rules.is_empty() && self.roles.is_empty() {
            return "no rules beside the preset's".to_owned();
        }
        let mut table = Table::new(["line", "rule or role"]);
        for Listed { line, text } in self.rules.iter().chain(&self.roles) {
            table.row([line.to_string(), text.clone()]);
        }
        table.render()
    }
}
