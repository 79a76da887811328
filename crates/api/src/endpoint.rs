//! One row of the API: how it is routed and what the documents say about it.

use crate::{ApiConfig, App};
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::{Method, StatusCode};
use sotto_types::ErrorCode;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// A body's schema with everything it refers to.
#[derive(Clone)]
pub(crate) struct BodySchema {
    pub name: String,
    pub all: Vec<(String, RefOr<Schema>)>,
}

impl BodySchema {
    pub fn of<T: ToSchema>() -> Self {
        let mut all = Vec::new();
        T::schemas(&mut all);
        all.push((T::name().into_owned(), T::schema()));
        Self { name: T::name().into_owned(), all }
    }
}

/// How a request proves who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// `Authorization: Bearer`.
    Device,
    /// Something in the body or path, or nothing.
    Open,
}

/// A parameter in the path or query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param {
    pub name: &'static str,
    pub in_query: bool,
    pub text: &'static str,
}

pub(crate) struct Endpoint {
    pub method: Method,
    pub path: &'static str,
    pub handler: MethodRouter<App>,
    /// For code generators; unique.
    pub id: &'static str,
    pub tag: &'static str,
    pub summary: &'static str,
    pub details: &'static str,
    pub auth: Auth,
    pub params: Vec<Param>,
    pub body: Option<BodySchema>,
    pub carries_keys: bool,
    pub status: StatusCode,
    pub answer: Option<BodySchema>,
    /// Beyond those every request may get.
    pub errors: &'static [ErrorCode],
}

impl Endpoint {
    fn new(method: Method, path: &'static str, handler: MethodRouter<App>) -> Self {
        Self {
            method,
            path,
            handler,
            id: "",
            tag: "",
            summary: "",
            details: "",
            auth: Auth::Open,
            params: Vec::new(),
            body: None,
            carries_keys: false,
            status: StatusCode::NO_CONTENT,
            answer: None,
            errors: &[],
        }
    }

    pub fn named(self, tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self { tag, id, summary, ..self }
    }

    pub fn details(self, details: &'static str) -> Self {
        Self { details, ..self }
    }

    pub fn for_devices(self) -> Self {
        Self { auth: Auth::Device, ..self }
    }

    pub fn in_path(mut self, name: &'static str, text: &'static str) -> Self {
        self.params.push(Param { name, in_query: false, text });
        self
    }

    pub fn in_query(mut self, name: &'static str, text: &'static str) -> Self {
        self.params.push(Param { name, in_query: true, text });
        self
    }

    pub fn takes<T: ToSchema>(self) -> Self {
        Self { body: Some(BodySchema::of::<T>()), ..self }
    }

    /// Prekeys need more room than other bodies.
    pub fn takes_keys<T: ToSchema>(self) -> Self {
        Self { carries_keys: true, ..self.takes::<T>() }
    }

    pub fn answers<T: ToSchema>(self, status: StatusCode) -> Self {
        Self { status, answer: Some(BodySchema::of::<T>()), ..self }
    }

    pub fn errors(self, errors: &'static [ErrorCode]) -> Self {
        Self { errors, ..self }
    }

    pub fn body_limit(&self, config: &ApiConfig) -> usize {
        if self.carries_keys { config.key_body_bytes } else { config.body_bytes }
    }

    /// Every error this endpoint may answer with, once each.
    pub fn all_errors(&self) -> Vec<ErrorCode> {
        use ErrorCode::*;
        let mut all = self.errors.to_vec();
        if self.auth == Auth::Device {
            all.extend([TokenInvalid, TokenExpired, DeviceUnlinked, DeviceSuspended, AccountDisabled]);
        }
        if self.body.is_some() {
            all.extend([BadRequest, TooLarge, UnsupportedMediaType]);
        }
        if !self.params.is_empty() {
            all.push(BadRequest);
        }
        all.extend([RateLimited, Internal, Unavailable, StorageFull]);
        all.sort_by_key(|code| code.number());
        all.dedup();
        all
    }
}

macro_rules! methods {
    ($($name:ident = $method:ident;)*) => {
        $(pub(crate) fn $name<H: Handler<T, App>, T: 'static>(path: &'static str, handler: H) -> Endpoint {
            Endpoint::new(Method::$method, path, routing::$name(handler))
        })*
    };
}

methods! {
    get = GET;
    put = PUT;
    post = POST;
    delete = DELETE;
}
