//! The domains actor owns which domains there are: every change goes through it, one at a time, is
//! committed, and then reaches every shard before it is answered.

mod access;
mod audit;
mod caller;
mod change;
mod decision;
mod error;
mod import;
mod issuing;
mod people;
mod policy;
mod pulled;
mod quota;
mod records;
mod registry;
mod revocation;
mod suspension;
mod tickets;

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, AtomicResponse, Context, Handler,
    Message, Recipient, WrapFuture as _,
};
use claviger_attest::{PolicyCertificate, PolicyFile};
use claviger_client::{BrokerLeaf, Pulled};
use claviger_proto::{DomainName, admin};

use super::acl::DomainsChanged;
use super::audit::{DomainDeleted, SyncDomain};

pub use access::rules_tag;
pub use audit::Trail;
pub use caller::{By, Caller};
pub use error::AdminError;
pub use registry::Registry;

/// How often certificates are looked at for renewal, and checkpoints made.
const HOUSEKEEPING: Duration = Duration::from_mins(1);

/// What of a shard the domains actor talks to.
#[derive(Clone)]
pub struct ShardSeams {
    /// Takes new snapshots.
    pub acl: Recipient<DomainsChanged>,
    /// Syncs segments.
    pub sync: Recipient<SyncDomain>,
    /// Lets go of a deleted domain's segment.
    pub deleted: Recipient<DomainDeleted>,
}

/// All domains.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Domain>, AdminError>")]
pub struct ListDomains;

/// Make a domain.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct Create(pub admin::CreateDomain);

/// One domain.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct Show(pub DomainName);

/// What the owner is to sign, who keeps the policy key.
#[derive(Message)]
#[rtype(result = "Result<admin::IssuingRequests, AdminError>")]
pub struct AskOwner(pub DomainName);

/// Put into force what the owner signed.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct Install {
    /// Which domain.
    pub domain: DomainName,
    /// What.
    pub install: admin::InstallIssuing,
}

/// Delete a domain, its key first.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct Delete(pub DomainName);

/// Put another ACL preset in force.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct ChangePreset {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub preset: String,
}

/// The access rules of a domain's own.
#[derive(Message)]
#[rtype(result = "Result<admin::AclRulesInForce, AdminError>")]
pub struct ShowRules(pub DomainName);

/// Put other access rules of a domain's own in force, beside its preset.
#[derive(Message)]
#[rtype(result = "Result<admin::AclRulesInForce, AdminError>")]
pub struct ChangeRules {
    /// Whose.
    pub domain: DomainName,
    /// All of them.
    pub rules: admin::AclRules,
    /// Only where those in force have one of these entity tags.
    pub if_match: Option<String>,
}

/// What somebody could do in a domain, and which rule says so.
#[derive(Message)]
#[rtype(result = "Result<admin::AclAnswer, AdminError>")]
pub struct ExplainRules {
    /// Whose.
    pub domain: DomainName,
    /// Who, and what.
    pub question: admin::AclQuestion,
}

/// Let stock programs do this much in a domain, and no more.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct AllowStock {
    /// Whose.
    pub domain: DomainName,
    /// What.
    pub stock: admin::StockPeers,
}

/// What a domain has revoked.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Revocation>, AdminError>")]
pub struct ListRevocations(pub DomainName);

/// Revoke something, from the next request on.
#[derive(Message)]
#[rtype(result = "Result<admin::Revocation, AdminError>")]
pub struct Revoke {
    /// Whose.
    pub domain: DomainName,
    /// What, and why.
    pub revocation: admin::AddRevocation,
}

/// Take a revocation back.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct Reinstate {
    /// Whose.
    pub domain: DomainName,
    /// Of what kind it is which was revoked.
    pub kind: String,
    /// What was.
    pub what: String,
}

/// Admit machines for this long.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct SetAdmission {
    /// Whose.
    pub domain: DomainName,
    /// How long.
    pub terms: admin::AdmissionTerms,
}

/// How much a domain may, and what it takes up.
#[derive(Message)]
#[rtype(result = "Result<admin::DomainQuota, AdminError>")]
pub struct ShowQuota(pub DomainName);

/// Let a domain take this much of the broker.
#[derive(Message)]
#[rtype(result = "Result<admin::DomainQuota, AdminError>")]
pub struct SetQuota {
    /// Which.
    pub domain: DomainName,
    /// How much, where that isn't what every domain may.
    pub quotas: admin::Quotas,
}

/// Have a domain answer nobody.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct SuspendDomain {
    /// Which.
    pub domain: DomainName,
    /// Why.
    pub suspend: admin::Suspend,
}

/// Have a domain answer again.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct ResumeDomain(pub DomainName);

/// Whom a domain knows as principals.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Principal>, AdminError>")]
pub struct ListPrincipals(pub DomainName);

/// Know a principal.
#[derive(Message)]
#[rtype(result = "Result<admin::Principal, AdminError>")]
pub struct KnowPrincipal {
    /// Whose.
    pub domain: DomainName,
    /// Whom, by what.
    pub principal: admin::AddPrincipal,
}

/// Know a principal no longer, by whatever certificate.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct ForgetPrincipal {
    /// Whose.
    pub domain: DomainName,
    /// Whom.
    pub principal: String,
}

/// Who administers a domain over the network.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Person>, AdminError>")]
pub struct ListPeople(pub DomainName);

/// Let somebody administer a domain over the network.
#[derive(Message)]
#[rtype(result = "Result<admin::Person, AdminError>")]
pub struct Register {
    /// Which.
    pub domain: DomainName,
    /// Whom.
    pub person: admin::RegisterPerson,
}

/// Let somebody do so no longer.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct Unregister {
    /// Which.
    pub domain: DomainName,
    /// SHA-256 of their certificate, hex.
    pub fingerprint: String,
}

/// What a domain trusts.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Reference>, AdminError>")]
pub struct ListReferences(pub DomainName);

/// Trust a measurement.
#[derive(Message)]
#[rtype(result = "Result<admin::Reference, AdminError>")]
pub struct Trust {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub reference: admin::AddReference,
}

/// Trust a measurement no longer.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct Distrust {
    /// Whose.
    pub domain: DomainName,
    /// Evidence kind.
    pub kind: String,
    /// Hex.
    pub measurement: String,
}

/// What a domain's policy says.
#[derive(Message)]
#[rtype(result = "Result<admin::TrustPolicy<PolicyFile>, AdminError>")]
pub struct ShowPolicy(pub DomainName);

/// Put a policy in force, or check it.
#[derive(Message)]
#[rtype(result = "Result<admin::AppliedPolicy, AdminError>")]
pub struct Apply {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub apply: admin::ApplyPolicy<PolicyFile>,
}

/// Make launch tickets.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Ticket>, AdminError>")]
pub struct MakeTickets {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub create: admin::CreateTickets,
}

/// A domain's launch tickets.
#[derive(Message)]
#[rtype(result = "Result<Vec<admin::Ticket>, AdminError>")]
pub struct ListTickets(pub DomainName);

/// Take a launch ticket back.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct RevokeTicket {
    /// Whose.
    pub domain: DomainName,
    /// Its id, hex.
    pub id: String,
}

/// Check a domain's audit, and make a checkpoint of it.
#[derive(Message)]
#[rtype(result = "Result<admin::AuditReport, AdminError>")]
pub struct VerifyAudit(pub DomainName);

/// Make a checkpoint of a domain's audit, and write it out, or all of it.
#[derive(Message)]
#[rtype(result = "Result<Trail, AdminError>")]
pub struct ExportAudit(pub DomainName);

/// Keep a domain's audit in this way.
#[derive(Message)]
#[rtype(result = "Result<admin::Domain, AdminError>")]
pub struct SetAudit {
    /// Whose.
    pub domain: DomainName,
    /// How.
    pub terms: admin::AuditTerms,
}

/// Look for records in a domain's audit.
#[derive(Message)]
#[rtype(result = "Result<admin::AuditPage, AdminError>")]
pub struct SearchAudit {
    /// Whose.
    pub domain: DomainName,
    /// Which.
    pub query: admin::AuditQuery,
}

/// Put an entry into a domain.
#[derive(Message)]
#[rtype(result = "Result<admin::Imported, AdminError>")]
pub struct Import {
    /// Whose.
    pub domain: DomainName,
    /// What.
    pub entry: admin::ImportEntry,
}

/// This broker's certificate in a domain that is pulled from its home; none where it has none, or needs another.
#[derive(Message)]
#[rtype(result = "Result<Option<BrokerLeaf>, AdminError>")]
pub struct OwnIdentity(pub DomainName);

/// Take over what a home broker gave.
#[derive(Message)]
#[rtype(result = "Result<bool, AdminError>")]
pub struct TakeOver {
    /// Which domain.
    pub domain: DomainName,
    /// Its policy certificate, as it is pinned here.
    pub policy: PolicyCertificate,
    /// What came.
    pub pulled: Pulled,
}

/// Home, under the domain's policy certificate, doesn't take this broker for one of the domain's: it admits no more.
#[derive(Message)]
#[rtype(result = "Result<(), AdminError>")]
pub struct GiveUpPolicyKey {
    /// Which domain.
    pub domain: DomainName,
    /// The policy certificate that home was under, as it is pinned here.
    pub policy: PolicyCertificate,
}

/// From now on this is the domain of a channel that names none.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetDefault(pub Option<DomainName>);

/// Make a last checkpoint of every domain.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CheckpointAll;

/// The broker is being sealed: end, and say which domains there were, by their generations.
#[derive(Message)]
#[rtype(result = "Vec<[u8; 16]>")]
pub struct Retire;

/// For tests: take so long.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Occupy(pub(crate) Duration);

#[cfg(test)]
impl Handler<Occupy> for DomainsActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, Occupy(time): Occupy, _: &mut Context<Self>) -> Self::Result {
        self.alone(|_| tokio::time::sleep(time))
    }
}

/// See the module.
pub struct DomainsActor {
    registry: Rc<Registry>,
}

impl DomainsActor {
    /// An actor over `registry`.
    pub fn new(registry: Registry) -> Self {
        Self { registry: Rc::new(registry) }
    }

    /// One change at a time: the actor takes no other message until this one's future is done.
    fn alone<F, T>(&self, work: impl FnOnce(Rc<Registry>) -> F) -> AtomicResponse<Self, T>
    where
        F: Future<Output = T> + 'static,
        T: 'static,
    {
        AtomicResponse::new(Box::pin(work(Rc::clone(&self.registry)).into_actor(self)))
    }
}

impl Actor for DomainsActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.run_interval(HOUSEKEEPING, |actor, context| {
            let registry = Rc::clone(&actor.registry);
            let work = async move {
                registry.called_by(Caller::local());
                registry.watch_issuers();
                registry.renew_leaves().await;
                registry.expire_labels().await;
                registry.checkpoint_changed().await;
            };
            context.wait(work.into_actor(actor).map(|(), _, _| ()));
        });
    }
}

impl Handler<Retire> for DomainsActor {
    type Result = actix::MessageResult<Retire>;

    fn handle(&mut self, _: Retire, context: &mut Context<Self>) -> Self::Result {
        context.stop();
        actix::MessageResult(self.registry.generations())
    }
}

macro_rules! handle {
    ($($message:ident => |$registry:ident, $body:ident| $work:expr;)*) => {$(
        impl Handler<$message> for DomainsActor {
            type Result = AtomicResponse<Self, <$message as Message>::Result>;

            fn handle(&mut self, $body: $message, _: &mut Context<Self>) -> Self::Result {
                self.alone(|$registry| async move {
                    $registry.called_by(Caller::local());
                    $work
                })
            }
        }

        impl Handler<By<$message>> for DomainsActor {
            type Result = AtomicResponse<Self, <$message as Message>::Result>;

            fn handle(&mut self, By { caller, message: $body }: By<$message>, _: &mut Context<Self>) -> Self::Result {
                self.alone(|$registry| async move {
                    $registry.called_by(caller);
                    $work
                })
            }
        }
    )*};
}

handle! {
    ListDomains => |registry, _list| Ok(registry.list());
    Create => |registry, create| registry.create(create.0).await;
    Show => |registry, show| registry.show(&show.0);
    AskOwner => |registry, ask| registry.issuing_requests(&ask.0).await;
    Install => |registry, it| registry.install_issuing(&it.domain, it.install).await;
    Delete => |registry, delete| registry.delete(&delete.0).await;
    ChangePreset => |registry, change| registry.set_preset(&change.domain, &change.preset).await;
    ShowRules => |registry, show| registry.rules(&show.0);
    ChangeRules => |registry, change| registry.set_rules(change).await;
    ExplainRules => |registry, it| registry.decision(&it.domain, &it.question);
    AllowStock => |registry, it| registry.set_stock(&it.domain, it.stock).await;
    ListRevocations => |registry, list| registry.revocations(&list.0);
    Revoke => |registry, it| registry.revoke(&it.domain, it.revocation).await;
    Reinstate => |registry, it| registry.reinstate(&it.domain, &it.kind, &it.what).await;
    SetAdmission => |registry, it| registry.set_admission(&it.domain, it.terms).await;
    ShowQuota => |registry, show| registry.quota(&show.0).await;
    SetQuota => |registry, set| registry.set_quota(&set.domain, set.quotas).await;
    SuspendDomain => |registry, it| registry.suspend(&it.domain, it.suspend).await;
    ResumeDomain => |registry, resume| registry.resume(&resume.0).await;
    ListPrincipals => |registry, list| registry.principals(&list.0);
    KnowPrincipal => |registry, know| registry.add_principal(&know.domain, know.principal).await;
    ForgetPrincipal => |registry, it| registry.remove_principal(&it.domain, &it.principal).await;
    ListPeople => |registry, list| registry.people(&list.0);
    Register => |registry, it| registry.register(&it.domain, it.person).await;
    Unregister => |registry, it| registry.unregister(&it.domain, &it.fingerprint).await;
    ListReferences => |registry, list| registry.references(&list.0);
    Trust => |registry, trust| registry.trust(&trust.domain, trust.reference).await;
    Distrust => |registry, it| registry.distrust(&it.domain, &it.kind, &it.measurement).await;
    ShowPolicy => |registry, show| registry.policy(&show.0);
    Apply => |registry, it| registry.apply(&it.domain, it.apply).await;
    MakeTickets => |registry, it| registry.create_tickets(&it.domain, it.create).await;
    ListTickets => |registry, list| registry.list_tickets(&list.0).await;
    RevokeTicket => |registry, it| registry.revoke_ticket(&it.domain, &it.id).await;
    VerifyAudit => |registry, verify| registry.verify_audit(&verify.0).await;
    ExportAudit => |registry, export| registry.exportable(&export.0).await;
    SetAudit => |registry, set| registry.set_audit(&set.domain, set.terms).await;
    SearchAudit => |registry, search| registry.search_audit(&search.domain, search.query).await;
    Import => |registry, import| registry.import(&import.domain, import.entry).await;
    OwnIdentity => |registry, own| pulled::identity(&registry, &own.0);
    TakeOver => |registry, it| pulled::take(&registry, &it.domain, &it.policy, it.pulled).await;
    GiveUpPolicyKey => |registry, it| pulled::give_up_policy_key(&registry, &it.domain, &it.policy).await;
    SetDefault => |registry, set| registry.set_default(set.0).await;
    CheckpointAll => |registry, _all| registry.checkpoint_changed().await;
}
