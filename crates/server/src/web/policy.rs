//! The headers that keep a browser to what the web app needs. They stand on every answer of the web app.

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Nothing from elsewhere, no inline script, no `eval`; WebAssembly may be compiled. `'self'` in `connect-src` covers the
/// WebSocket too (CSP level 3), so no host name is needed, which a request could forge. `style` attributes in HTML are
/// refused; those set by script are not concerned. `blob:` and `data:` are pictures and sounds made or decrypted in the page.
const CONTENT_SECURITY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
/// The camera scans codes, the microphone is for voice; the clipboard and full screen stay as browsers have them.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(self), accelerometer=(), display-capture=(), encrypted-media=(), geolocation=(self), \
     gyroscope=(), hid=(), idle-detection=(), magnetometer=(), midi=(), payment=(), publickey-credentials-get=(), \
     screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
);
/// Half a year.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=15768000");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub fn headers(only_https: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    if only_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
    headers
}
