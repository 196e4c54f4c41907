//! What the calls do: each turns a call into a message to the domains actor, and its answer into JSON.

use std::fmt;

use actix::dev::ToEnvelope;
use actix::{Handler, Message};
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderValue, IF_MATCH};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use claviger_attest::PolicyFile;
use claviger_proto::DomainName;
use claviger_proto::admin::{
    AclQuestion, AclRules, AclRulesInForce, AddPrincipal, AddReference, AddRevocation, AdmissionTerms,
    ApplyPolicy, AuditQuery, AuditTerms, CreateDomain, CreateTickets, ImportEntry, InstallIssuing, Problem,
    Quotas, RegisterPerson, SetPreset, State, Status, StockPeers, Suspend,
};
use claviger_proto::error::ErrorCode;

use super::caller::Call;
use super::secret_body::SecretJson;
use crate::actors::domains::{self, AdminError, By, DomainsActor};

/// A failed call.
#[derive(Debug)]
pub(super) struct Failed(pub(super) Problem);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        // What failed may have carried a secret.
        answer.force_close().content_type("application/problem+json").json(&self.0)
    }
}

impl From<AdminError> for Failed {
    fn from(error: AdminError) -> Self {
        let (status, title) = match error.code() {
            ErrorCode::NotFound => (404, "not found"),
            ErrorCode::Conflict if matches!(error, AdminError::RulesChanged(_)) => (412, "changed meanwhile"),
            ErrorCode::Conflict => (409, "conflict"),
            ErrorCode::Sealed => (503, "sealed"),
            ErrorCode::Busy => (503, "busy"),
            ErrorCode::Unavailable => (500, "the broker failed"),
            _ => (400, "refused"),
        };
        Self(Problem { status, code: error.code(), title: title.to_owned(), detail: error.to_string() })
    }
}

pub(super) type Answer = Result<HttpResponse, Failed>;

pub(super) async fn no_such_call() -> Answer {
    Err(Failed(Problem {
        status: 404,
        code: ErrorCode::UnknownRequest,
        title: "no such call".to_owned(),
        detail: "the broker doesn't know this call; is key-admin newer than it?".to_owned(),
    }))
}

/// Asks the domains actor.
pub(super) async fn ask<M, T>(call: &Call, message: M) -> Result<T, Failed>
where
    M: Message<Result = Result<T, AdminError>> + Send + 'static,
    T: Send + 'static,
    DomainsActor: Handler<By<M>>,
    actix::Context<DomainsActor>: ToEnvelope<DomainsActor, By<M>>,
{
    let domains = call.admin.domains.borrow().clone();
    let Some(domains) = domains else { return Err(AdminError::Sealed.into()) };
    // One that is gone ended with the broker, or was sealed meanwhile.
    let gone = || {
        if call.admin.lifecycle.state() == State::Sealed { AdminError::Sealed } else { AdminError::Stopping }
    };
    let message = By { caller: call.caller.clone(), message };
    Ok(domains.send(message).await.map_err(|_| gone())??)
}

pub(super) fn name(text: &str) -> Result<DomainName, Failed> {
    text.parse().map_err(|error: claviger_proto::ParseError| AdminError::Invalid(error.to_string()).into())
}

pub(super) async fn status(call: Call) -> Answer {
    let state = call.admin.lifecycle.state();
    let domains = match state {
        State::Sealed => None,
        _ => Some(ask(&call, domains::ListDomains).await?.len()),
    };
    Ok(HttpResponse::Ok().json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state,
        broker_id: call.admin.broker_id.clone(),
        domains,
        shards: call.admin.shards,
        connections: call.admin.permits.connections.taken(),
        home: call.admin.home.get(),
    }))
}

pub(super) async fn list(call: Call) -> Answer {
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListDomains).await?))
}

pub(super) async fn create(call: Call, body: SecretJson<CreateDomain>) -> Answer {
    Ok(HttpResponse::Created().force_close().json(ask(&call, domains::Create(body.0)).await?))
}

pub(super) async fn ask_owner(call: Call, path: web::Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(ask(&call, domains::AskOwner(name(&path)?)).await?))
}

pub(super) async fn install(call: Call, path: web::Path<String>, body: web::Json<InstallIssuing>) -> Answer {
    let install = domains::Install { domain: name(&path)?, install: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, install).await?))
}

pub(super) async fn show(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::Show(name)).await?))
}

pub(super) async fn delete(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    ask(&call, domains::Delete(name)).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn set_preset(call: Call, path: web::Path<String>, body: web::Json<SetPreset>) -> Answer {
    let change = domains::ChangePreset { domain: name(&path)?, preset: body.into_inner().preset };
    Ok(HttpResponse::Ok().json(ask(&call, change).await?))
}

pub(super) async fn rules(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(tagged(&ask(&call, domains::ShowRules(name)).await?))
}

pub(super) async fn set_rules(
    call: Call,
    path: web::Path<String>,
    request: HttpRequest,
    body: web::Json<AclRules>,
) -> Answer {
    // What can't be read matches nothing.
    let tags = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let if_match = request.headers().get(IF_MATCH).map(tags);
    let change = domains::ChangeRules { domain: name(&path)?, rules: body.into_inner(), if_match };
    Ok(tagged(&ask(&call, change).await?))
}

fn tagged(rules: &AclRulesInForce) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, domains::rules_tag(&rules.rules))).json(rules)
}

pub(super) async fn decision(call: Call, path: web::Path<String>, body: web::Json<AclQuestion>) -> Answer {
    let explain = domains::ExplainRules { domain: name(&path)?, question: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, explain).await?))
}

pub(super) async fn suspend(call: Call, path: web::Path<String>, body: web::Json<Suspend>) -> Answer {
    let suspend = domains::SuspendDomain { domain: name(&path)?, suspend: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, suspend).await?))
}

pub(super) async fn resume(call: Call, path: web::Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(ask(&call, domains::ResumeDomain(name(&path)?)).await?))
}

pub(super) async fn set_stock(call: Call, path: web::Path<String>, body: web::Json<StockPeers>) -> Answer {
    let allow = domains::AllowStock { domain: name(&path)?, stock: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, allow).await?))
}

pub(super) async fn set_admission(
    call: Call,
    path: web::Path<String>,
    body: web::Json<AdmissionTerms>,
) -> Answer {
    let set = domains::SetAdmission { domain: name(&path)?, terms: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, set).await?))
}

pub(super) async fn revocations(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListRevocations(name)).await?))
}

pub(super) async fn revoke(call: Call, path: web::Path<String>, body: web::Json<AddRevocation>) -> Answer {
    let revoke = domains::Revoke { domain: name(&path)?, revocation: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&call, revoke).await?))
}

pub(super) async fn reinstate(call: Call, path: web::Path<(String, String, String)>) -> Answer {
    let (domain, kind, what) = path.into_inner();
    ask(&call, domains::Reinstate { domain: name(&domain)?, kind, what }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn quota(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ShowQuota(name)).await?))
}

pub(super) async fn set_quota(call: Call, path: web::Path<String>, body: web::Json<Quotas>) -> Answer {
    let set = domains::SetQuota { domain: name(&path)?, quotas: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, set).await?))
}

pub(super) async fn principals(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListPrincipals(name)).await?))
}

pub(super) async fn add_principal(
    call: Call,
    path: web::Path<String>,
    body: web::Json<AddPrincipal>,
) -> Answer {
    let know = domains::KnowPrincipal { domain: name(&path)?, principal: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&call, know).await?))
}

pub(super) async fn remove_principal(call: Call, path: web::Path<(String, String)>) -> Answer {
    let (domain, principal) = path.into_inner();
    ask(&call, domains::ForgetPrincipal { domain: name(&domain)?, principal }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn people(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListPeople(name)).await?))
}

pub(super) async fn register(call: Call, path: web::Path<String>, body: web::Json<RegisterPerson>) -> Answer {
    let register = domains::Register { domain: name(&path)?, person: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&call, register).await?))
}

pub(super) async fn unregister(call: Call, path: web::Path<(String, String)>) -> Answer {
    let (domain, fingerprint) = path.into_inner();
    ask(&call, domains::Unregister { domain: name(&domain)?, fingerprint }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn references(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListReferences(name)).await?))
}

pub(super) async fn add_reference(
    call: Call,
    path: web::Path<String>,
    body: web::Json<AddReference>,
) -> Answer {
    let add = domains::Trust { domain: name(&path)?, reference: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&call, add).await?))
}

pub(super) async fn remove_reference(call: Call, path: web::Path<(String, String, String)>) -> Answer {
    let (domain, kind, measurement) = path.into_inner();
    ask(&call, domains::Distrust { domain: name(&domain)?, kind, measurement }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn policy(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ShowPolicy(name)).await?))
}

pub(super) async fn apply_policy(
    call: Call,
    path: web::Path<String>,
    body: web::Json<ApplyPolicy<PolicyFile>>,
) -> Answer {
    let apply = domains::Apply { domain: name(&path)?, apply: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, apply).await?))
}

pub(super) async fn tickets(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::ListTickets(name)).await?))
}

pub(super) async fn create_tickets(
    call: Call,
    path: web::Path<String>,
    body: web::Json<CreateTickets>,
) -> Answer {
    let make = domains::MakeTickets { domain: name(&path)?, create: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&call, make).await?))
}

pub(super) async fn revoke_ticket(call: Call, path: web::Path<(String, String)>) -> Answer {
    let (domain, id) = path.into_inner();
    ask(&call, domains::RevokeTicket { domain: name(&domain)?, id }).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn import(call: Call, path: web::Path<String>, body: SecretJson<ImportEntry>) -> Answer {
    let import = domains::Import { domain: name(&path)?, entry: body.0 };
    Ok(HttpResponse::Created().force_close().json(ask(&call, import).await?))
}

pub(super) async fn set_audit(call: Call, path: web::Path<String>, body: web::Json<AuditTerms>) -> Answer {
    let set = domains::SetAudit { domain: name(&path)?, terms: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, set).await?))
}

pub(super) async fn search_audit(
    call: Call,
    path: web::Path<String>,
    query: web::Json<AuditQuery>,
) -> Answer {
    let search = domains::SearchAudit { domain: name(&path)?, query: query.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&call, search).await?))
}

pub(super) async fn verify_audit(call: Call, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&call, domains::VerifyAudit(name)).await?))
}
