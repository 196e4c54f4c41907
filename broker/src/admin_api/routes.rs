//! The routes: each turns a call into a message to the domains actor, and its answer into JSON.

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
    ApplyPolicy, AuditQuery, CreateDomain, CreateTickets, ImportEntry, Problem, Quotas, SetPreset, State,
    Status, StockPeers, Suspend,
};
use claviger_proto::error::ErrorCode;
use claviger_proto::limits::MAX_DATA;

use super::secret_body::{BodyLimit, SecretJson};
use super::{Admin, json_config, sealing};
use crate::actors::domains::{self, AdminError, DomainsActor};

/// Largest body of an import, in bytes: the largest secret in hex, and room for the rest.
const MAX_IMPORT: usize = 2 * MAX_DATA + (16 << 10);

/// Largest body of a policy, in bytes: what is kept of it, with its roots as PEM.
const MAX_POLICY_BODY: usize = 1 << 20;

/// Largest body of a call that makes tickets, in bytes: a thousand digests.
const MAX_TICKETS_BODY: usize = 128 << 10;

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

pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.route("/v1/status", web::get().to(status))
        .route("/v1/unseal", web::post().to(sealing::unseal))
        .route("/v1/unseal/shares", web::delete().to(sealing::forget))
        .route("/v1/seal", web::post().to(sealing::seal))
        .route("/v1/domains", web::get().to(list))
        .route("/v1/domains", web::post().to(create))
        .route("/v1/domains/{domain}", web::get().to(show))
        .route("/v1/domains/{domain}", web::delete().to(delete))
        .route("/v1/domains/{domain}/acl-preset", web::put().to(set_preset))
        .route("/v1/domains/{domain}/acl-rules", web::get().to(rules))
        .route("/v1/domains/{domain}/acl-rules", web::put().to(set_rules))
        .route("/v1/domains/{domain}/acl-decision", web::post().to(decision))
        .route("/v1/domains/{domain}/suspension", web::put().to(suspend))
        .route("/v1/domains/{domain}/suspension", web::delete().to(resume))
        .route("/v1/domains/{domain}/stock", web::put().to(set_stock))
        .route("/v1/domains/{domain}/admission", web::put().to(set_admission))
        .route("/v1/domains/{domain}/revocations", web::get().to(revocations))
        .route("/v1/domains/{domain}/revocations", web::post().to(revoke))
        .route("/v1/domains/{domain}/revocations/{kind}/{what}", web::delete().to(reinstate))
        .route("/v1/domains/{domain}/quota", web::get().to(quota))
        .route("/v1/domains/{domain}/quota", web::put().to(set_quota))
        .route("/v1/domains/{domain}/principals", web::get().to(principals))
        .route("/v1/domains/{domain}/principals", web::post().to(add_principal))
        .route("/v1/domains/{domain}/principals/{principal}", web::delete().to(remove_principal))
        .route("/v1/domains/{domain}/references", web::get().to(references))
        .route("/v1/domains/{domain}/references", web::post().to(add_reference))
        .route("/v1/domains/{domain}/references/{kind}/{measurement}", web::delete().to(remove_reference))
        .route("/v1/domains/{domain}/tickets/{id}", web::delete().to(revoke_ticket))
        .route("/v1/domains/{domain}/audit/verify", web::post().to(verify_audit))
        .route("/v1/domains/{domain}/audit/search", web::post().to(search_audit))
        .service(
            web::resource("/v1/domains/{domain}/policy")
                .app_data(json_config(MAX_POLICY_BODY))
                .route(web::get().to(policy))
                .route(web::put().to(apply_policy)),
        )
        .service(
            web::resource("/v1/domains/{domain}/tickets")
                .app_data(json_config(MAX_TICKETS_BODY))
                .route(web::get().to(tickets))
                .route(web::post().to(create_tickets)),
        )
        .service(
            web::resource("/v1/domains/{domain}/entries")
                .app_data(BodyLimit(MAX_IMPORT))
                .route(web::post().to(import)),
        )
        .default_service(web::to(no_such_call));
}

async fn no_such_call() -> Answer {
    Err(Failed(Problem {
        status: 404,
        code: ErrorCode::UnknownRequest,
        title: "no such call".to_owned(),
        detail: "the broker doesn't know this call; is key-admin newer than it?".to_owned(),
    }))
}

/// Asks the domains actor.
async fn ask<M, T>(admin: &Admin, message: M) -> Result<T, Failed>
where
    M: Message<Result = Result<T, AdminError>> + Send + 'static,
    T: Send + 'static,
    DomainsActor: Handler<M>,
    actix::Context<DomainsActor>: ToEnvelope<DomainsActor, M>,
{
    let domains = admin.domains.borrow().clone();
    let Some(domains) = domains else { return Err(AdminError::Sealed.into()) };
    // One that is gone ended with the broker, or was sealed meanwhile.
    let gone =
        || if admin.lifecycle.state() == State::Sealed { AdminError::Sealed } else { AdminError::Stopping };
    Ok(domains.send(message).await.map_err(|_| gone())??)
}

fn name(text: &str) -> Result<DomainName, Failed> {
    text.parse().map_err(|error: claviger_proto::ParseError| AdminError::Invalid(error.to_string()).into())
}

async fn status(admin: web::Data<Admin>) -> Answer {
    let state = admin.lifecycle.state();
    let domains = match state {
        State::Sealed => None,
        _ => Some(ask(&admin, domains::ListDomains).await?.len()),
    };
    Ok(HttpResponse::Ok().json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state,
        broker_id: admin.broker_id.clone(),
        domains,
        shards: admin.shards,
        connections: admin.permits.connections.taken(),
        home: admin.home.get(),
    }))
}

async fn list(admin: web::Data<Admin>) -> Answer {
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ListDomains).await?))
}

async fn create(admin: web::Data<Admin>, body: SecretJson<CreateDomain>) -> Answer {
    Ok(HttpResponse::Created().force_close().json(ask(&admin, domains::Create(body.0)).await?))
}

async fn show(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::Show(name)).await?))
}

async fn delete(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    ask(&admin, domains::Delete(name)).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn set_preset(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<SetPreset>) -> Answer {
    let change = domains::ChangePreset { domain: name(&path)?, preset: body.into_inner().preset };
    Ok(HttpResponse::Ok().json(ask(&admin, change).await?))
}

async fn rules(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(tagged(&ask(&admin, domains::ShowRules(name)).await?))
}

async fn set_rules(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    request: HttpRequest,
    body: web::Json<AclRules>,
) -> Answer {
    // What can't be read matches nothing.
    let tags = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let if_match = request.headers().get(IF_MATCH).map(tags);
    let change = domains::ChangeRules { domain: name(&path)?, rules: body.into_inner(), if_match };
    Ok(tagged(&ask(&admin, change).await?))
}

fn tagged(rules: &AclRulesInForce) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, domains::rules_tag(&rules.rules))).json(rules)
}

async fn decision(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<AclQuestion>) -> Answer {
    let explain = domains::ExplainRules { domain: name(&path)?, question: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, explain).await?))
}

async fn suspend(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<Suspend>) -> Answer {
    let suspend = domains::SuspendDomain { domain: name(&path)?, suspend: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, suspend).await?))
}

async fn resume(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ResumeDomain(name(&path)?)).await?))
}

async fn set_stock(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<StockPeers>) -> Answer {
    let allow = domains::AllowStock { domain: name(&path)?, stock: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, allow).await?))
}

async fn set_admission(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Json<AdmissionTerms>,
) -> Answer {
    let set = domains::SetAdmission { domain: name(&path)?, terms: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, set).await?))
}

async fn revocations(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ListRevocations(name)).await?))
}

async fn revoke(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<AddRevocation>) -> Answer {
    let revoke = domains::Revoke { domain: name(&path)?, revocation: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&admin, revoke).await?))
}

async fn reinstate(admin: web::Data<Admin>, path: web::Path<(String, String, String)>) -> Answer {
    let (domain, kind, what) = path.into_inner();
    ask(&admin, domains::Reinstate { domain: name(&domain)?, kind, what }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn quota(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ShowQuota(name)).await?))
}

async fn set_quota(admin: web::Data<Admin>, path: web::Path<String>, body: web::Json<Quotas>) -> Answer {
    let set = domains::SetQuota { domain: name(&path)?, quotas: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, set).await?))
}

async fn principals(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ListPrincipals(name)).await?))
}

async fn add_principal(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Json<AddPrincipal>,
) -> Answer {
    let know = domains::KnowPrincipal { domain: name(&path)?, principal: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&admin, know).await?))
}

async fn remove_principal(admin: web::Data<Admin>, path: web::Path<(String, String)>) -> Answer {
    let (domain, principal) = path.into_inner();
    ask(&admin, domains::ForgetPrincipal { domain: name(&domain)?, principal }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn references(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ListReferences(name)).await?))
}

async fn add_reference(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Json<AddReference>,
) -> Answer {
    let add = domains::Trust { domain: name(&path)?, reference: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&admin, add).await?))
}

async fn remove_reference(admin: web::Data<Admin>, path: web::Path<(String, String, String)>) -> Answer {
    let (domain, kind, measurement) = path.into_inner();
    ask(&admin, domains::Distrust { domain: name(&domain)?, kind, measurement }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn policy(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ShowPolicy(name)).await?))
}

async fn apply_policy(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Json<ApplyPolicy<PolicyFile>>,
) -> Answer {
    let apply = domains::Apply { domain: name(&path)?, apply: body.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, apply).await?))
}

async fn tickets(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::ListTickets(name)).await?))
}

async fn create_tickets(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Json<CreateTickets>,
) -> Answer {
    let make = domains::MakeTickets { domain: name(&path)?, create: body.into_inner() };
    Ok(HttpResponse::Created().json(ask(&admin, make).await?))
}

async fn revoke_ticket(admin: web::Data<Admin>, path: web::Path<(String, String)>) -> Answer {
    let (domain, id) = path.into_inner();
    ask(&admin, domains::RevokeTicket { domain: name(&domain)?, id }).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn import(admin: web::Data<Admin>, path: web::Path<String>, body: SecretJson<ImportEntry>) -> Answer {
    let import = domains::Import { domain: name(&path)?, entry: body.0 };
    Ok(HttpResponse::Created().force_close().json(ask(&admin, import).await?))
}

async fn search_audit(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    query: web::Json<AuditQuery>,
) -> Answer {
    let search = domains::SearchAudit { domain: name(&path)?, query: query.into_inner() };
    Ok(HttpResponse::Ok().json(ask(&admin, search).await?))
}

async fn verify_audit(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    let name = name(&path)?;
    Ok(HttpResponse::Ok().json(ask(&admin, domains::VerifyAudit(name)).await?))
}
