use std::time::Duration;

#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Shown in the OpenAPI document.
    pub version: String,
    /// Where the source code of this server is offered: `GET /v1/server` says it, and the web app links to it.
    pub source_url: Option<String>,
    /// Web origins that may call the API from a browser ("https://chat.example.org"); "*" is any. Empty: none but our own.
    pub cors_origins: Vec<String>,
    /// Largest body of most requests.
    pub body_bytes: usize,
    /// Largest body of requests that carry prekeys (200 of them make about half a megabyte).
    pub key_body_bytes: usize,
    /// A body that takes longer to arrive is refused. None: no limit, and no timer.
    pub body_timeout: Option<Duration>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            source_url: None,
            cors_origins: Vec::new(),
            body_bytes: 64 * 1024,
            key_body_bytes: 1024 * 1024,
            body_timeout: Some(Duration::from_secs(30)),
        }
    }
}
