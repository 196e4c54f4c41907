//! The one table of what can be called, and who may. The routes are made from it, so a call that isn't in it isn't there,
//! and none is there that nobody has decided about.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{Route, web};
use claviger_proto::limits::MAX_DATA;

use super::caller::{Who, admit};
use super::secret_body::BodyLimit;
use super::{export, json_config, openapi, routes, sealing};

/// Largest body of an import, in bytes: the largest secret in hex, and room for the rest.
const MAX_IMPORT: usize = 2 * MAX_DATA + (16 << 10);

/// Largest body of a policy, in bytes: what is kept of it, with its roots as PEM.
const MAX_POLICY_BODY: usize = 1 << 20;

/// Largest body of a call that makes tickets, in bytes: a thousand digests.
const MAX_TICKETS_BODY: usize = 128 << 10;

/// One call.
pub(super) struct Entry {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub(super) method: Method,
    /// Its path, with what is to be filled in in braces.
    pub(super) path: &'static str,
    /// Who may, over the network; on the admin socket its one user may all.
    pub(super) who: Who,
    handler: fn(Route) -> Route,
}

const fn entry(method: Method, path: &'static str, who: Who, handler: fn(Route) -> Route) -> Entry {
    Entry { method, path, who, handler }
}

macro_rules! table {
    ($($method:ident $path:literal $who:expr => $handler:path;)*) => {
        &[$(entry(Method::$method, $path, $who, |route| route.to($handler))),*]
    };
}

/// Operators: which domains there are, how much they may, whether they answer; never what is in one.
const OPERATOR: Who = Who { operator: true, owner: false, auditor: false };
/// Owners: all of their own domain.
const OWNER: Who = Who { operator: false, owner: true, auditor: false };
/// What is both the operator's and the domain's business.
const EITHER: Who = Who { operator: true, owner: true, auditor: false };
/// Audit and policy: auditors read them, as owners do.
const READER: Who = Who { operator: false, owner: true, auditor: true };
/// What says no more of a domain than that it is there and how it is.
const ANYBODY: Who = Who { operator: true, owner: true, auditor: true };

/// See the module. Calls of one path stand together.
pub(super) const TABLE: &[Entry] = table! {
    GET "/v1/openapi.json" ANYBODY => openapi::openapi;
    GET "/v1/status" OPERATOR => routes::status;
    POST "/v1/unseal" OPERATOR => sealing::unseal;
    DELETE "/v1/unseal/shares" OPERATOR => sealing::forget;
    POST "/v1/seal" OPERATOR => sealing::seal;
    GET "/v1/domains" OPERATOR => routes::list;
    POST "/v1/domains" OPERATOR => routes::create;
    GET "/v1/domains/{domain}" ANYBODY => routes::show;
    DELETE "/v1/domains/{domain}" EITHER => routes::delete;
    // What is installed carries its own proof, as a person does.
    POST "/v1/domains/{domain}/issuing/requests" EITHER => routes::ask_owner;
    PUT "/v1/domains/{domain}/issuing" EITHER => routes::install;
    PUT "/v1/domains/{domain}/acl-preset" OWNER => routes::set_preset;
    GET "/v1/domains/{domain}/acl-rules" READER => routes::rules;
    PUT "/v1/domains/{domain}/acl-rules" OWNER => routes::set_rules;
    POST "/v1/domains/{domain}/acl-decision" READER => routes::decision;
    PUT "/v1/domains/{domain}/suspension" EITHER => routes::suspend;
    DELETE "/v1/domains/{domain}/suspension" EITHER => routes::resume;
    PUT "/v1/domains/{domain}/stock" OWNER => routes::set_stock;
    PUT "/v1/domains/{domain}/admission" OWNER => routes::set_admission;
    GET "/v1/domains/{domain}/revocations" READER => routes::revocations;
    POST "/v1/domains/{domain}/revocations" OWNER => routes::revoke;
    DELETE "/v1/domains/{domain}/revocations/{kind}/{what}" OWNER => routes::reinstate;
    GET "/v1/domains/{domain}/quota" EITHER => routes::quota;
    PUT "/v1/domains/{domain}/quota" OPERATOR => routes::set_quota;
    GET "/v1/domains/{domain}/owners" READER => routes::people;
    // What is registered carries its own proof, and the first can't be registered by one who is.
    POST "/v1/domains/{domain}/owners" EITHER => routes::register;
    DELETE "/v1/domains/{domain}/owners/{fingerprint}" OWNER => routes::unregister;
    GET "/v1/domains/{domain}/principals" READER => routes::principals;
    POST "/v1/domains/{domain}/principals" OWNER => routes::add_principal;
    DELETE "/v1/domains/{domain}/principals/{principal}" OWNER => routes::remove_principal;
    GET "/v1/domains/{domain}/references" READER => routes::references;
    POST "/v1/domains/{domain}/references" OWNER => routes::add_reference;
    DELETE "/v1/domains/{domain}/references/{kind}/{measurement}" OWNER => routes::remove_reference;
    GET "/v1/domains/{domain}/policy" READER => routes::policy;
    PUT "/v1/domains/{domain}/policy" OWNER => routes::apply_policy;
    GET "/v1/domains/{domain}/tickets" OWNER => routes::tickets;
    POST "/v1/domains/{domain}/tickets" OWNER => routes::create_tickets;
    DELETE "/v1/domains/{domain}/tickets/{id}" OWNER => routes::revoke_ticket;
    POST "/v1/domains/{domain}/entries" OWNER => routes::import;
    POST "/v1/domains/{domain}/audit/verify" READER => routes::verify_audit;
    GET "/v1/domains/{domain}/audit/export" READER => export::trail;
    POST "/v1/domains/{domain}/audit/checkpoint" READER => export::checkpoint;
    PUT "/v1/domains/{domain}/audit/terms" OWNER => routes::set_audit;
    POST "/v1/domains/{domain}/audit/search" READER => routes::search_audit;
};

/// Makes the routes. Each asks who calls before it reads anything of the body.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    for calls in TABLE.chunk_by(|one, next| one.path == next.path) {
        let path = calls[0].path;
        let resource =
            web::resource(path).app_data(BodyLimit(limit(path))).app_data(json_config(limit(path)));
        let resource = calls.iter().fold(resource, |resource, call| {
            let who = call.who;
            let route = (call.handler)(web::method(call.method.clone()));
            resource.route(route.wrap(from_fn(move |request, next| admit(who, request, next))))
        });
        app.service(resource.default_service(web::to(routes::no_such_call)));
    }
    app.default_service(web::to(routes::no_such_call));
}

fn limit(path: &str) -> usize {
    match path.rsplit('/').next() {
        Some("entries") => MAX_IMPORT,
        Some("policy") => MAX_POLICY_BODY,
        Some("tickets") => MAX_TICKETS_BODY,
        _ => super::MAX_BODY,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_call_is_there_once_and_the_calls_of_a_path_stand_together() {
        let calls: BTreeSet<_> = TABLE.iter().map(|call| (call.path, call.method.as_str())).collect();
        assert_eq!(calls.len(), TABLE.len());
        let paths: BTreeSet<_> = TABLE.iter().map(|call| call.path).collect();
        assert_eq!(TABLE.chunk_by(|one, next| one.path == next.path).count(), paths.len());
    }

    #[test]
    fn operators_get_nothing_of_what_is_in_a_domain_and_owners_nothing_beside_theirs() {
        // What calls there are is no secret, and says nothing of a domain.
        for call in TABLE.iter().filter(|call| call.path != "/v1/openapi.json") {
            let below = call.path.strip_prefix("/v1/domains/{domain}").map(|rest| rest.trim_matches('/'));
            let domain_s_life = matches!(below, None | Some("" | "suspension" | "quota"));
            // What carries its own proof, and the requests for it.
            let proven =
                [("owners", Method::POST), ("issuing", Method::PUT), ("issuing/requests", Method::POST)];
            let registers = below.is_some_and(|below| proven.contains(&(below, call.method.clone())));
            assert!(!call.who.operator || domain_s_life || registers, "{} {}", call.method, call.path);
            assert!(
                !(call.who.owner || call.who.auditor) || below.is_some(),
                "{} {}",
                call.method,
                call.path
            );
            let reads = call.method == Method::GET
                || below.is_some_and(|below| below.starts_with("audit/") || below == "acl-decision");
            assert!(!call.who.auditor || reads, "{} {}", call.method, call.path);
        }
    }
}
