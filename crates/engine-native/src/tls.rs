//! Whom we trust over TLS: the machine's own roots and, if given, one more file of certificates.

use crate::profile::ProfileError;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;

/// Reads `--tls-ca`; a file without a usable certificate is an error, told before anything connects.
pub fn read_ca(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    let bad = |reason: String| ProfileError::TlsCa { path: path.to_path_buf(), reason };
    let certs: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| bad(error.to_string()))?;
    let mut probe = RootCertStore::empty();
    for cert in &certs {
        probe.add(cert.clone()).map_err(|error| bad(error.to_string()))?;
    }
    if certs.is_empty() {
        return Err(bad("no certificate in it".into()));
    }
    Ok(certs)
}

/// `system`: also the roots this machine trusts. Reading them takes tens of milliseconds, so plain HTTP goes without.
pub fn client_config(extra: &[CertificateDer<'static>], system: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if system {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a system root certificate could not be read");
        }
        roots.add_parsable_certificates(found.certs);
    }
    roots.add_parsable_certificates(extra.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// Finds rustls's own words in an error that other libraries wrapped.
pub fn tls_reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.to_string());
        }
        if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            // An io::Error hides its content from `source`.
            if let Some(reason) = tls_reason(inner) {
                return Some(reason);
            }
        }
        next = error.source();
    }
    None
}

/// The innermost error says most: "Connection refused (os error 111)".
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
