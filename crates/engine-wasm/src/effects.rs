//! Effects as JavaScript values: tuples, as `web/engine/src/protocol.ts` declares them.

use js_sys::{Array, Uint8Array};
use serde::Serialize;
use sotto_engine::api::{Effect, HttpMethod, HttpRequest};
use wasm_bindgen::JsValue;

pub(crate) fn to_js(effect: Effect) -> JsValue {
    let tuple = match effect {
        Effect::Connect { url } => tuple(["connect".into(), url.into()]),
        Effect::Disconnect => tuple(["disconnect".into()]),
        Effect::SendFrame(frame) => tuple(["frame".into(), Uint8Array::from(&frame[..]).into()]),
        Effect::Http(request) => http(&request),
        Effect::WakeAt(at) => tuple(["wake".into(), double(at.as_ms())]),
        Effect::Event(event) => tuple(["event".into(), json(&event).into()]),
        Effect::Reply { command, result } => {
            let (good, text) = match &result {
                Ok(reply) => (true, json(reply)),
                Err(error) => (false, json(error)),
            };
            tuple(["reply".into(), double(command.0), good.into(), text.into()])
        }
    };
    tuple.into()
}

fn http(request: &HttpRequest) -> Array {
    let method = match request.method {
        HttpMethod::Get => "GET",
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Delete => "DELETE",
    };
    tuple([
        "http".into(),
        double(request.request.0),
        method.into(),
        request.url.as_str().into(),
        request.bearer.as_ref().map_or(JsValue::NULL, |token| token.expose().as_str().into()),
        request.body.as_ref().map_or(JsValue::NULL, |body| Uint8Array::from(&body[..]).into()),
        double(request.timeout_ms),
    ])
}

fn tuple<const N: usize>(values: [JsValue; N]) -> Array {
    values.into_iter().collect()
}

/// Ids and times are far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn double(value: u64) -> JsValue {
    (value as f64).into()
}

pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
