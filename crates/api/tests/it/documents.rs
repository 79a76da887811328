use crate::bed::*;
use http::{Method, header};
use serde_json::Value;
use sotto_types::{Action, ErrorCode};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The table at the top of `sotto_wire::http`: (method, path).
fn documented() -> BTreeSet<(String, String)> {
    let source = include_str!("../../../wire/src/http.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| {
        let (methods, path) = row.split_once(" /v1")?;
        let path = path.split([' ', '?']).next()?;
        Some(methods.split(", ").map(|method| (method.to_owned(), format!("/v1{path}"))).collect::<Vec<_>>())
    })
    .flatten()
    .collect()
}

#[tokio::test]
async fn the_document_has_every_path_of_the_contract_and_the_router_serves_it() {
    let bed = Bed::new().await;
    let reply = bed.send(bare(Method::GET, "/v1/openapi.json", None)).await;
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    let document: Value = reply.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
            check_operation(method, path, operation);

            // Routed: whatever the answer is, it is not "nothing here".
            let real = path.replace("{account}", "x").replace("{device}", "x").replace("{link}", "x");
            let request = bare(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &real, None);
            let status = bed.send(request).await.status;
            assert!(status != 405 && (status != 404 || path == "/v1/links/{link}"), "{method} {path}: {status}");
        }
    }
    assert_eq!(described, documented());
    assert_eq!(document["components"]["securitySchemes"]["access_token"]["scheme"], "bearer");
    check_references(&document, &document);
}

fn check_operation(method: &str, path: &str, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap();
    assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
    assert!(responses.contains_key("429") && responses.contains_key("500"), "{method} {path}");
    let signed_in = operation.get("security").is_some();
    assert!(!signed_in || responses.contains_key("401"), "{method} {path}");
    for name in path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{method} {path} lacks {name}");
    }
}

fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|field| check_references(document, field));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_readable_page_is_complete_and_self_contained() {
    let bed = Bed::new().await;
    let reply = bed.send(bare(Method::GET, "/docs", None)).await;
    assert_eq!(reply.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let policy = reply.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    let page = String::from_utf8(reply.bytes).unwrap();
    for (_, path) in documented() {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for code in ErrorCode::ALL {
        assert!(page.contains(&format!("id=\"error-{}\"", code.slug())), "{}", code.slug());
    }
    for foreign in ["<script", "src=", "href=\"http", "url(", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // Every link on the page leads somewhere on it.
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "#{target}");
    }
    assert!(page.contains("prefers-color-scheme:dark"));
    if let Ok(path) = std::env::var("SOTTO_WRITE_DOCS") {
        std::fs::write(path, page).unwrap();
    }
}

/// The table in docs/protocol.md is this one. Run with `SOTTO_UPDATE_DOCS=1` to write it.
#[test]
fn the_protocols_error_table_is_current() {
    const BEGIN: &str = "`cargo test -p sotto-api` says when it is old -->\n";
    const END: &str = "<!-- end of errors -->";
    let mut table = String::from("| code | type | HTTP | action | meaning |\n| --- | --- | --- | --- | --- |\n");
    for code in ErrorCode::ALL {
        let action = match code.action() {
            Action::Retry => "retry",
            Action::Reconnect => "reconnect",
            Action::Stop => "stop",
        };
        let (number, slug, status) = (code.number(), code.slug(), code.http_status());
        let meaning = sotto_api::error_meaning(*code);
        writeln!(table, "| {number} | `{slug}` | {status} | {action} | {meaning} |").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (current, after) = rest.split_once(END).unwrap();
    if std::env::var_os("SOTTO_UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(current, table, "run: SOTTO_UPDATE_DOCS=1 cargo test -p sotto-api");
    }
}
