//! Certificate files, and noticing that they changed.

use crate::config::Config;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sotto_gateway::TlsSource;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

/// How often the files' times are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Without files there is nothing that could be read again; SIGHUP (`systemctl reload`) must not end the server all the same.
pub async fn nothing_to_reload(mut hangups: Signal, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hangups.recv() => {
                tracing::info!("SIGHUP: there is no certificate to read again; other settings need a restart");
            }
        }
    }
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    pub fn of(config: &Config) -> Option<Self> {
        config.has_tls().then(|| Self { cert: (&config.server.tls_cert).into(), key: (&config.server.tls_key).into() })
    }

    /// The message says what is wrong with which file.
    pub fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = self.certificates()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("{} has no private key: {error}", self.key.display()))?;
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("{} and {} do not fit: {error}", self.cert.display(), self.key.display()))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let unreadable =
            |error: rustls_pki_types::pem::Error| format!("{} has no certificate: {error}", self.cert.display());
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .map_err(unreadable)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(unreadable)?;
        if chain.is_empty() {
            return Err(format!("{} has no certificate", self.cert.display()));
        }
        Ok(chain)
    }

    fn changed(&self) -> (Option<SystemTime>, Option<SystemTime>) {
        let time = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        (time(&self.cert), time(&self.key))
    }

    /// Until `stop`, on SIGHUP and when the files change. Files that cannot be used are reported, and the old certificate stays.
    pub async fn watch(self, source: Arc<TlsSource>, mut hangups: Signal, stop: CancellationToken) {
        let mut known = self.changed();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangups.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = self.changed();
            if !asked && now == known {
                continue;
            }
            known = now;
            match self.load() {
                Ok(config) => {
                    source.replace(config);
                    tracing::info!("the TLS certificate was read again");
                }
                Err(problem) => {
                    tracing::error!(problem, "the TLS certificate was not replaced; the old one stays in use")
                }
            }
        }
    }
}
