//! The web app's files: embedded in this program (see build.rs), or those of the folder `web.dir`.
//! Flow: at start all files are in memory, each with its type and tag; per request a path is looked up -> a file, `index.html`
//!       for an address inside the app, or nothing -> encoding -> 304 or the bytes.
//! Always true:
//! - a request never touches the disk, and can name nothing that was not there at start;
//! - names under `/assets/` have a hash in them and are kept for ever; everything else is asked for again, by its tag;
//! - every answer carries the headers of `policy`.
//!
//! Elsewhere: paths with a route never come here; what is nowhere is answered by the API's problem.

mod folder;
mod negotiate;
mod policy;

use crate::config::Config;
use crate::exit::{Failure, Reason};
use crate::pages;
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use folder::{INDEX, WebFile};
use sha2::{Digest as _, Sha256};
use sotto_domain::Refusal;
use sotto_types::ErrorCode;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

/// (path, bytes, brotli)
type Embedded = (&'static str, &'static [u8], Option<&'static [u8]>);

/// Empty if the web app was not built before this program.
static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

const ASSETS: &str = "/assets/";
/// No address of the app: what is missing there is missing for browsers too.
const NOT_THE_APPS: [&str; 7] = ["/v1", "/docs", "/metrics", "/healthz", "/readyz", "/assets", "/.well-known"];
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const HTTPS_PORT: u16 = 443;

/// What is served at the paths that no route has.
#[derive(Debug)]
pub struct Web {
    what: What,
    files: HashMap<String, File>,
    headers: HeaderMap,
}

/// Where the app comes from, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Embedded,
    Folder,
    NotBuilt,
    Off,
}

impl What {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Folder => "folder",
            Self::NotBuilt => "not-built",
            Self::Off => "off",
        }
    }

    pub const fn has_app(self) -> bool {
        matches!(self, Self::Embedded | Self::Folder)
    }
}

#[derive(Debug)]
struct File {
    kind: HeaderValue,
    caching: HeaderValue,
    plain: Form,
    brotli: Option<Form>,
}

/// One of a file's two representations; strong tags differ between them.
#[derive(Debug)]
struct Form {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Web {
    /// Reads the folder, if one is named; `port` is what clients connect to.
    pub fn load(config: &Config, port: u16) -> Result<Self, Failure> {
        // A browser keeps this for the whole host, whatever the port: at another port than HTTPS's own it would lock other
        // services of the machine out.
        let headers = policy::headers(config.has_tls() && port == HTTPS_PORT);
        let web = &config.web;
        let (what, files) = if !web.enabled {
            (What::Off, HashMap::new())
        } else if web.dir.is_empty() {
            let files: HashMap<_, _> = EMBEDDED.iter().map(embedded).collect();
            (if files.is_empty() { What::NotBuilt } else { What::Embedded }, files)
        } else {
            (What::Folder, Self::read(Path::new(&web.dir))?)
        };
        Ok(Self { what, files, headers })
    }

    fn read(dir: &Path) -> Result<HashMap<String, File>, Failure> {
        let files = folder::read(dir).map_err(|problem| {
            let todo = "Name a folder made by `make build` (web/dist) or a copy of it, or leave web.dir empty";
            Failure::new(Reason::Access, format!("web.dir: {problem}. {todo}"))
        })?;
        Ok(files.into_iter().map(from_folder).collect())
    }

    pub fn what(&self) -> What {
        self.what
    }

    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// `None` if there is nothing for this request.
    pub fn answer(&self, request: &Parts) -> Option<Response> {
        let path = request.uri.path();
        if path == "/" && !self.what.has_app() {
            return Some(allowed(&request.method).unwrap_or_else(|| pages::no_app(self.what)));
        }
        let file = self.files.get(if path == "/" { INDEX } else { path }).or_else(|| self.inside_app(request))?;
        Some(allowed(&request.method).unwrap_or_else(|| self.send(file, &request.headers)))
    }

    /// The app's own addresses (`/chat/ann`) are not files: a browser that is sent to one, or reloads, gets the app.
    fn inside_app(&self, request: &Parts) -> Option<&File> {
        let path = request.uri.path();
        let is_under = |folder: &str| {
            let rest = path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let is_address = matches!(request.method, Method::GET | Method::HEAD)
            && path.starts_with('/')
            && !NOT_THE_APPS.into_iter().any(is_under)
            && negotiate::is_navigation(&request.headers);
        is_address.then(|| self.files.get(INDEX)).flatten()
    }

    fn send(&self, file: &File, asked: &HeaderMap) -> Response {
        let brotli = file.brotli.as_ref().filter(|_| negotiate::takes_brotli(asked));
        let form = brotli.unwrap_or(&file.plain);
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(header::ETAG, form.tag.clone());
        headers.insert(header::CACHE_CONTROL, file.caching.clone());
        if file.brotli.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        // Said here, or the router would say 0 of a 304.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.bytes.len()));
        if negotiate::has_already(asked, &form.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, file.kind.clone());
        if brotli.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        // For HEAD the router drops it and keeps its length.
        *response.body_mut() = Body::from(form.bytes.clone());
        response
    }
}

/// A refusal if files do not have this method.
fn allowed(method: &Method) -> Option<Response> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let refusal = Refusal::new(ErrorCode::MethodNotAllowed, "files have GET and HEAD");
    let mut response = sotto_api::problem_response(&refusal);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

fn embedded(&(path, plain, brotli): &Embedded) -> (String, File) {
    let file = File::new(path, Bytes::from_static(plain), brotli.map(Bytes::from_static));
    (path.to_owned(), file)
}

fn from_folder(file: WebFile) -> (String, File) {
    let made = File::new(&file.path, file.plain.into(), file.brotli.map(Bytes::from));
    (file.path, made)
}

impl File {
    fn new(path: &str, plain: Bytes, brotli: Option<Bytes>) -> Self {
        let hash = Sha256::digest(&plain);
        // 128 bits are enough to tell two versions of a file apart.
        let mut tag = String::with_capacity(40);
        for byte in hash.iter().take(16) {
            let _ = write!(tag, "{byte:02x}");
        }
        let form = |bytes, suffix| {
            let tag =
                HeaderValue::try_from(format!("\"{tag}{suffix}\"")).expect("hexadecimal digits are a header value");
            Form { bytes, tag }
        };
        Self {
            kind: HeaderValue::from_static(content_type(path)),
            caching: if path.starts_with(ASSETS) { FOR_EVER } else { ASK_AGAIN },
            plain: form(plain, ""),
            // The tag of the content, not of its compressed bytes, is what tells versions apart.
            brotli: brotli.map(|bytes| form(bytes, "-br")),
        }
    }
}

fn content_type(path: &str) -> &'static str {
    let extension =
        path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "gif" => "image/gif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
