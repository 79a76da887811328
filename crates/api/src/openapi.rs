//! The OpenAPI document, generated from the endpoints.

use crate::endpoint::{Auth, BodySchema, Endpoint, Param};
use crate::error_texts::meaning;
use sotto_types::ErrorCode;
use sotto_wire::http::{PROBLEM_JSON, Problem};
use std::collections::BTreeMap;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, HeaderBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi,
    OpenApiBuilder, Paths, Ref, Required, ResponseBuilder, ResponsesBuilder,
};

pub(crate) const BEARER: &str = "access_token";

const DESCRIPTION: &str = "The part of the Sotto protocol that is not a stream; the WebSocket at /v1/ws, its frames, and how \
    keys, lists and signatures are made are in docs/protocol.md. Bodies are JSON; bytes are standard base64 with padding; times \
    are milliseconds since the Unix epoch. Every error is an RFC 9457 problem with a stable code.";

pub(crate) fn document(endpoints: &[Endpoint], version: &str) -> OpenApi {
    let mut schemas = BTreeMap::new();
    let mut paths = Paths::new();
    for endpoint in endpoints {
        for body in endpoint.body.iter().chain(&endpoint.answer) {
            schemas.extend(body.all.iter().cloned());
        }
        let method = match endpoint.method.as_str() {
            "PUT" => HttpMethod::Put,
            "POST" => HttpMethod::Post,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        paths.add_path_operation(endpoint.path, vec![method], operation(endpoint).build());
    }
    schemas.extend(BodySchema::of::<Problem>().all);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("From POST /v1/auth/token; 15 minutes."))
        .build();
    let components = schemas
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema))
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build();
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Sotto")
                .version(version)
                .description(Some(DESCRIPTION))
                .license(Some(LicenseBuilder::new().name("AGPL-3.0-only").build()))
                .build(),
        )
        .paths(paths)
        .components(Some(components))
        .build()
}

fn operation(endpoint: &Endpoint) -> OperationBuilder {
    let success =
        ResponseBuilder::new().description(if endpoint.answer.is_some() { "Done." } else { "Done, no body." });
    let success = match &endpoint.answer {
        Some(answer) => success.content("application/json", content(&answer.name)),
        None => success,
    };
    let mut responses = ResponsesBuilder::new().response(endpoint.status.as_str(), success.build());
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in endpoint.all_errors() {
        by_status.entry(code.http_status()).or_default().push(code);
    }
    for (status, codes) in by_status {
        let lines: Vec<String> =
            codes.iter().map(|code| format!("{} ({}): {}", code.slug(), code.number(), meaning(*code))).collect();
        let mut response =
            ResponseBuilder::new().description(lines.join("\n\n")).content(PROBLEM_JSON, content("Problem"));
        if matches!(status, 429 | 503) {
            let seconds = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer))))
                .description(Some("Seconds to wait."))
                .build();
            response = response.header("Retry-After", seconds);
        }
        responses = responses.response(status.to_string(), response.build());
    }
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id))
        .tag(endpoint.tag)
        .summary(Some(endpoint.summary))
        .responses(responses.build());
    if !endpoint.details.is_empty() {
        operation = operation.description(Some(endpoint.details));
    }
    for param in &endpoint.params {
        operation = operation.parameter(parameter(param));
    }
    if let Some(body) = &endpoint.body {
        let body = RequestBodyBuilder::new()
            .content("application/json", content(&body.name))
            .required(Some(Required::True))
            .build();
        operation = operation.request_body(Some(body));
    }
    if endpoint.auth == Auth::Device {
        operation = operation.security(SecurityRequirement::new(BEARER, Vec::<String>::new()));
    }
    operation
}

fn parameter(param: &Param) -> ParameterBuilder {
    let (place, required, kind) = if param.in_query {
        (ParameterIn::Query, Required::False, Type::Integer)
    } else {
        (ParameterIn::Path, Required::True, Type::String)
    };
    ParameterBuilder::new()
        .name(param.name)
        .parameter_in(place)
        .required(required)
        .description(Some(param.text))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(kind))))
}

fn content(schema: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}
