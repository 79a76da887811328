//! `/docs`: the OpenAPI document as one page that a person can read, without a script or anything from elsewhere.

use crate::App;
use crate::error_texts::meaning;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;
use sotto_types::ErrorCode;
use std::fmt::Write as _;
use utoipa::openapi::OpenApi;

const STYLE: &str = include_str!("docs.css");
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

pub(crate) fn routes(document: &OpenApi) -> Router<App> {
    let json: Bytes = document.to_json().expect("the document is plain data").into();
    let page: Bytes = page(&serde_json::to_value(document).expect("the document is plain data")).into();
    const CACHED: (HeaderName, &str) = (CACHE_CONTROL, "public, max-age=300");
    Router::new()
        .route(
            "/v1/openapi.json",
            get(move || async move { ([(CONTENT_TYPE, "application/json"), CACHED], json.clone()) }),
        )
        .route(
            "/docs",
            get(move || async move {
                let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
                let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy), CACHED];
                (headers, page.clone())
            }),
        )
}

/// An operation with where it is.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    is: &'a Value,
}

fn page(document: &Value) -> String {
    let info = &document["info"];
    let operations = operations(document);
    let mut tags: Vec<&str> = Vec::new();
    for operation in &operations {
        let tag = text(&operation.is["tags"][0]);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let mut html = String::with_capacity(128 * 1024);
    let version = escape(text(&info["version"]));
    html.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\"><title>Sotto HTTP API</title><style>");
    html.push_str(STYLE);
    put(
        &mut html,
        format_args!("</style></head><body><nav><a class=\"brand\" href=\"#top\">Sotto <span>{version}</span></a>"),
    );
    for tag in &tags {
        put(&mut html, format_args!("<h2>{}</h2><ul>", escape(tag)));
        for operation in operations.iter().filter(|operation| text(&operation.is["tags"][0]) == *tag) {
            let (id, method) = (text(&operation.is["operationId"]), operation.method);
            let summary = escape(text(&operation.is["summary"]));
            put(&mut html, format_args!("<li><a href=\"#{id}\"><b class=\"{method}\">{method}</b>{summary}</a></li>"));
        }
        html.push_str("</ul>");
    }
    html.push_str(
        "<h2>Reference</h2><ul><li><a href=\"#errors\">Errors</a></li><li><a href=\"#bodies\">Bodies</a></li>",
    );
    html.push_str("<li><a href=\"/v1/openapi.json\">OpenAPI document</a></li></ul></nav><main>");
    put(
        &mut html,
        format_args!(
            "<header id=\"top\"><h1>Sotto HTTP API</h1><p>{}</p></header>",
            escape(text(&info["description"]))
        ),
    );
    for tag in &tags {
        put(&mut html, format_args!("<h2 class=\"tag\">{}</h2>", escape(tag)));
        for operation in operations.iter().filter(|operation| text(&operation.is["tags"][0]) == *tag) {
            show_operation(&mut html, operation);
        }
    }
    show_errors(&mut html);
    show_bodies(&mut html, document);
    html.push_str("</main></body></html>");
    html
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            METHODS
                .iter()
                .filter_map(move |method| item.get(method).map(|is| Operation { method, path: path.as_str(), is }))
        })
        .collect()
}

fn show_operation(html: &mut String, operation: &Operation<'_>) {
    let Operation { method, path, is } = operation;
    let (id, summary) = (text(&is["operationId"]), escape(text(&is["summary"])));
    put(
        html,
        format_args!(
            "<article id=\"{id}\"><h3><a href=\"#{id}\">{summary}</a></h3>\
             <p class=\"where\"><b class=\"{method}\">{method}</b><code>{}</code>",
            escape(path)
        ),
    );
    let signed_in = is.get("security").is_some();
    html.push_str(if signed_in { "<span>access token</span></p>" } else { "<span>no token</span></p>" });
    if let Some(details) = is["description"].as_str() {
        put(html, format_args!("<p>{}</p>", escape(details)));
    }
    html.push_str("<dl>");
    for parameter in is["parameters"].as_array().into_iter().flatten() {
        let (name, about) = (escape(text(&parameter["name"])), escape(text(&parameter["description"])));
        put(html, format_args!("<dt><code>{name}</code> in {}</dt><dd>{about}</dd>", escape(text(&parameter["in"]))));
    }
    if let Some(body) = schema_name(&is["requestBody"]["content"]["application/json"]["schema"]) {
        put(html, format_args!("<dt>Body</dt><dd>{}</dd>", link(body)));
    }
    let mut errors = Vec::new();
    for (status, response) in is["responses"].as_object().into_iter().flatten() {
        if status.starts_with('2') {
            let answer = schema_name(&response["content"]["application/json"]["schema"]);
            let answer = answer.map_or_else(|| "no body".to_owned(), link);
            put(html, format_args!("<dt>Answer</dt><dd><code>{status}</code> {answer}</dd>"));
        } else {
            errors.extend(text(&response["description"]).split("\n\n").filter_map(|line| line.split(' ').next()));
        }
    }
    html.push_str("</dl><p class=\"errors\">");
    for slug in errors {
        put(html, format_args!("<a href=\"#error-{slug}\">{slug}</a> "));
    }
    html.push_str("</p></article>");
}

fn show_errors(html: &mut String) {
    html.push_str(
        "<h2 class=\"tag\" id=\"errors\">Errors</h2><p>The same numbers stand in a problem's <code>code</code> and in the \
         WebSocket's <code>Error.code</code>. The action says what a client does: <i>retry</i> the same after the time given, \
         <i>reconnect</i> (sign in again), or <i>stop</i> and tell the person or the developer.</p>\
         <div class=\"wide\"><table><thead><tr><th>Code<th>Type<th>HTTP<th>Action<th>Meaning</thead><tbody>",
    );
    for code in ErrorCode::ALL {
        let (number, slug, status) = (code.number(), code.slug(), code.http_status());
        let (action, meaning) = (code.action().as_str(), escape(meaning(*code)));
        put(
            html,
            format_args!(
                "<tr id=\"error-{slug}\"><td>{number}<td><code>{slug}</code><td>{status}<td class=\"{action}\">{action}\
                 <td>{meaning}"
            ),
        );
    }
    html.push_str("</tbody></table></div>");
}

fn show_bodies(html: &mut String, document: &Value) {
    html.push_str("<h2 class=\"tag\" id=\"bodies\">Bodies</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let name = escape(name);
        put(html, format_args!("<article id=\"body-{name}\"><h3><a href=\"#body-{name}\">{name}</a></h3>"));
        if let Some(about) = schema["description"].as_str() {
            put(html, format_args!("<p>{}</p>", escape(about)));
        }
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
        if let Some(fields) = schema["properties"].as_object() {
            html.push_str("<div class=\"wide\"><table><tbody>");
            for (field, is) in fields {
                let optional = if required.contains(&field.as_str()) { "" } else { " <i>optional</i>" };
                let about = escape(is["description"].as_str().unwrap_or_default());
                put(
                    html,
                    format_args!("<tr><td><code>{}</code>{optional}<td>{}<td>{about}", escape(field), type_of(is)),
                );
            }
            html.push_str("</tbody></table></div>");
        }
        html.push_str("</article>");
    }
}

/// A schema's type in words, with links to other bodies.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema_name(schema) {
        return link(name);
    }
    for choice in ["oneOf", "allOf", "anyOf"] {
        let mut parts = schema[choice].as_array().into_iter().flatten();
        if let Some(part) = parts.find(|part| part["type"] != "null") {
            return type_of(part);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).find(|kind| *kind != "null").unwrap_or_default(),
        kind => text(kind),
    };
    match (kind, schema["format"].as_str()) {
        ("array", _) => format!("list of {}", type_of(&schema["items"])),
        (_, Some(format)) => escape(format),
        (kind, None) => escape(kind),
    }
}

fn schema_name(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn link(name: &str) -> String {
    let name = escape(name);
    format!("<a href=\"#body-{name}\">{name}</a>")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn put(html: &mut String, what: std::fmt::Arguments<'_>) {
    html.write_fmt(what).expect("writing into a string cannot fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
