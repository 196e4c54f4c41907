//! What the admin API says (JSON over HTTP, on the broker's Unix socket and over mutual TLS).
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | | [`Status`] |
//! | `GET /v1/domains` | | list of [`Domain`] |
//! | `POST /v1/domains` | [`CreateDomain`] | [`Domain`] |
//! | `POST /v1/domains/{domain}/issuing/requests` | | [`IssuingRequests`] |
//! | `PUT /v1/domains/{domain}/issuing` | [`InstallIssuing`] | [`Domain`] |
//! | `GET /v1/domains/{domain}` | | [`Domain`] |
//! | `DELETE /v1/domains/{domain}` | | |
//! | `PUT /v1/domains/{domain}/acl-preset` | [`SetPreset`] | [`Domain`] |
//! | `GET /v1/domains/{domain}/acl-rules` | | [`AclRules`] |
//! | `PUT /v1/domains/{domain}/acl-rules` | [`AclRules`] | [`AclRules`] |
//! | `POST /v1/domains/{domain}/acl-decision` | [`AclQuestion`] | [`AclAnswer`] |
//! | `GET /v1/domains/{domain}/principals` | | list of [`Principal`] |
//! | `POST /v1/domains/{domain}/principals` | [`AddPrincipal`] | [`Principal`] |
//! | `DELETE /v1/domains/{domain}/principals/{name}` | | |
//! | `GET /v1/domains/{domain}/owners` | | list of [`Person`] |
//! | `POST /v1/domains/{domain}/owners` | [`RegisterPerson`] | [`Person`] |
//! | `DELETE /v1/domains/{domain}/owners/{fingerprint}` | | |
//! | `PUT /v1/domains/{domain}/stock` | [`StockPeers`] | [`Domain`] |
//! | `PUT /v1/domains/{domain}/admission` | [`AdmissionTerms`] | [`Domain`] |
//! | `GET /v1/domains/{domain}/revocations` | | list of [`Revocation`] |
//! | `POST /v1/domains/{domain}/revocations` | [`AddRevocation`] | [`Revocation`] |
//! | `DELETE /v1/domains/{domain}/revocations/{kind}/{what}` | | |
//! | `PUT /v1/domains/{domain}/suspension` | [`Suspend`] | [`Domain`] |
//! | `DELETE /v1/domains/{domain}/suspension` | | [`Domain`] |
//! | `GET /v1/domains/{domain}/references` | | list of [`Reference`] |
//! | `POST /v1/domains/{domain}/references` | [`AddReference`] | [`Reference`] |
//! | `DELETE /v1/domains/{domain}/references/{kind}/{measurement}` | | |
//! | `GET /v1/domains/{domain}/quota` | | [`DomainQuota`] |
//! | `PUT /v1/domains/{domain}/quota` | [`Quotas`] | [`DomainQuota`] |
//! | `GET /v1/domains/{domain}/policy` | | [`TrustPolicy`] |
//! | `PUT /v1/domains/{domain}/policy` | [`ApplyPolicy`] | [`AppliedPolicy`] |
//! | `GET /v1/domains/{domain}/tickets` | | list of [`Ticket`] |
//! | `POST /v1/domains/{domain}/tickets` | [`CreateTickets`] | list of [`Ticket`] |
//! | `DELETE /v1/domains/{domain}/tickets/{id}` | | |
//! | `POST /v1/domains/{domain}/audit/verify` | | [`AuditReport`] |
//! | `POST /v1/domains/{domain}/audit/search` | [`AuditQuery`] | [`AuditPage`] |
//! | `PUT /v1/domains/{domain}/audit/terms` | [`AuditTerms`] | [`Domain`] |
//! | `GET /v1/domains/{domain}/audit/export` | | the trail, in a form of its own |
//! | `POST /v1/domains/{domain}/audit/checkpoint` | | a checkpoint, in the same form |
//! | `POST /v1/domains/{domain}/entries` | [`ImportEntry`] | [`Imported`] |
//! | `POST /v1/unseal` | [`Unseal`] | [`SealState`] |
//! | `DELETE /v1/unseal/shares` | | [`SealState`] |
//! | `POST /v1/seal` | | [`SealState`] |
//!
//! Every failure is a [`Problem`]. No call returns secret data.

mod access;
mod audit;
mod broker;
mod decision;
mod domain;
mod entry;
mod issuing;
mod person;
mod policy;
mod problem;
mod quota;
mod revocation;
mod sealing;
mod secret_hex;
mod suspension;
mod ticket;

pub use access::{AclRules, AclRulesInForce, AddPrincipal, Principal, SetPreset, StockPeers};
pub use audit::{AuditPage, AuditQuery, AuditRecord, AuditReport, AuditSegment, AuditSync, AuditTerms};
pub use broker::{Home, PulledDomain, State, Status};
pub use decision::{AclAnswer, AclQuestion, AclRule};
pub use domain::{CreateDomain, Domain};
pub use entry::{ImportEntry, Imported};
pub use issuing::{InstallIssuing, IssuingRequests};
pub use person::{Person, RegisterPerson};
pub use policy::{AddReference, AppliedPolicy, ApplyPolicy, Reference, TrustPolicy};
pub use problem::Problem;
pub use quota::{DomainQuota, QuotaUse, Quotas};
pub use revocation::{AddRevocation, AdmissionTerms, Revocation};
pub use sealing::{SealState, ShareCount, Unseal};
pub use secret_hex::SecretHex;
pub use suspension::{Suspend, Suspension};
pub use ticket::{CreateTickets, Ticket};
