//! The command line, as it is typed. Each noun's own part is in the noun's file.

use clap::{Parser, Subcommand};
use claviger_client::cli::{Manual, Output};

use crate::reach::Reach;
use crate::{
    acl, attest, audit, domain, entry, identity, measure, operator, owner, policy, policy_key, principal,
    quota, revocation, sealing, simulated, ticket, tpm, trust,
};

/// The owner's and the operator's side of Claviger: policy keys and identities offline, domains, trust,
/// access rules and audit on a broker.
#[derive(Parser)]
#[command(name = "key-admin", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Exit codes:
  0 done, 2 usage, 3 refused, 4 not found, 5 conflict, 6 evidence refused,
  7 sealed, 8 unreachable, 1 other

A domain, step by step:
  key-admin policy-key generate --domain fleet --out-dir fleet
  key-admin simulated init machine-1
  export CLAVIGER_ADMIN_SOCKET=/run/claviger/admin.sock
  key-admin domain create fleet --policy-key fleet/policy-key.pem --preset members
  key-admin trust add --domain fleet --kind simulated-enclave --measurement HEX \\
      --attest-root machine-1/platform_key_file.bin

The same as the domain's owner, on a broker elsewhere:
  key-admin domain show fleet --broker https://broker.example:8121 \\
      --admin-cert ann/admin-cert.pem --admin-key ann/admin-key.pem \\
      --admin-policy-cert fleet/policy-cert.pem";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a domain's policy key and certificate (offline)
    #[command(subcommand)]
    PolicyKey(policy_key::PolicyKey),
    /// Calculate measurements before there is a machine (offline)
    #[command(subcommand)]
    Measure(measure::Measure),
    /// Look at a machine's evidence: every field, every rule (offline)
    #[command(subcommand)]
    Attest(attest::Attest),
    /// Make a simulated platform to try things out (offline)
    #[command(subcommand)]
    Simulated(simulated::Simulated),
    /// Create, list, show and delete domains
    #[command(subcommand)]
    Domain(domain::DomainCommand),
    /// Say which machines a domain admits, as one file: apply, diff, show; or as a stock policy
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Make one-use launch tickets, so that a machine is an instance and not just a measurement
    #[command(subcommand)]
    Ticket(ticket::Ticket),
    /// Certify a TPM's quote key, once it is known that the TPM holds it (offline)
    #[command(subcommand)]
    Tpm(tpm::Tpm),
    /// Say which measurements a domain trusts
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Say who may do what in a domain
    #[command(subcommand)]
    Acl(acl::Acl),
    /// Make certificates of people who operate brokers (offline)
    #[command(subcommand)]
    Operator(operator::Operator),
    /// Say who administers a domain over the network
    #[command(subcommand)]
    Owner(owner::Owner),
    /// Say whom a domain knows as principals, for access rules
    #[command(subcommand)]
    Principal(principal::PrincipalCommand),
    /// Revoke certificates, enrolments, instances, measurements, principals
    #[command(subcommand)]
    Revocation(revocation::RevocationCommand),
    /// Say how much a domain may take of this broker
    #[command(subcommand)]
    Quota(quota::Quota),
    /// Sign a machine's certificate with the policy key, on the owner's word (offline)
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Put secrets into a domain from the broker's own machine
    #[command(subcommand)]
    Entry(entry::Entry),
    /// Give a sealed broker its root key, so that it serves
    Unseal(sealing::Unseal),
    #[command(after_help = "\
Example:
  key-admin seal

What is under way is finished first, at most the broker's drain deadline long. Then it has no key in memory.")]
    /// Have the broker forget its root key and every key under it; it serves nobody until it is unsealed
    Seal,
    /// Check a domain's audit trail
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(after_help = "Example:\n  key-admin status --output json")]
    /// Say how the broker is
    Status,
    #[command(flatten)]
    Manual(Manual),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
