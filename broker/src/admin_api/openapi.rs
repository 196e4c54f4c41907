//! The table of calls as an `OpenAPI` 3.1 document: paths, methods, what is to be filled in, and who may call.
//! Bodies and answers are described in `claviger_proto::admin`.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::caller::{Call, Who};
use super::routes::Answer;
use super::table::{Entry, TABLE};

/// The name under which a call says who may make it over the network.
const ROLES: &str = "x-claviger-roles";

pub(super) async fn openapi(_call: Call) -> Answer {
    Ok(HttpResponse::Ok().json(document()))
}

fn document() -> Value {
    let mut paths = Map::new();
    for calls in TABLE.chunk_by(|one, next| one.path == next.path) {
        let mut path: Map<_, _> = calls.iter().map(operation).collect();
        let parameters = parameters(calls[0].path);
        if !parameters.is_empty() {
            path.insert("parameters".to_owned(), parameters.into());
        }
        paths.insert(calls[0].path.to_owned(), path.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Claviger admin API", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "responses": { "Problem": {
                "description": "Why the call failed (RFC 9457).",
                "content": { "application/problem+json": { "schema": {
                    "type": "object",
                    "required": ["status", "code", "title", "detail"],
                    "properties": {
                        "status": { "type": "integer" },
                        "code": { "type": "string" },
                        "title": { "type": "string" },
                        "detail": { "type": "string" },
                    },
                } } },
            } },
            "securitySchemes": { "certificate": { "type": "mutualTLS" } },
        },
        "security": [{ "certificate": [] }],
    })
}

fn operation(call: &Entry) -> (String, Value) {
    let operation = json!({
        ROLES: roles(call.who),
        "responses": {
            "2XX": { "description": "Done." },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    (call.method.as_str().to_ascii_lowercase(), operation)
}

fn parameters(path: &str) -> Vec<Value> {
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter =
        |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    named.map(parameter).collect()
}

fn roles(who: Who) -> Vec<&'static str> {
    let all = [(who.operator, "operator"), (who.owner, "owner"), (who.auditor, "auditor")];
    all.into_iter().filter_map(|(may, role)| may.then_some(role)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_each_call_of_the_table_and_no_other() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let calls = |path: &Value| {
            path.as_object().map_or(0, |path| path.keys().filter(|key| *key != "parameters").count())
        };
        assert_eq!(paths.values().map(calls).sum::<usize>(), TABLE.len());
        for call in TABLE {
            let there = &paths[call.path][call.method.as_str().to_ascii_lowercase()];
            assert_eq!(there[ROLES], json!(roles(call.who)), "{} {}", call.method, call.path);
        }
        let filled = &paths["/v1/domains/{domain}/revocations/{kind}/{what}"]["parameters"];
        assert_eq!(filled.as_array().map(Vec::len), Some(3));
    }
}
