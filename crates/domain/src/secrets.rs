//! The installation's secret and what is derived from it: MACs that let the server recognize its own words later without
//! keeping them.
//! Always true: each use has its own label, so a value made for one never passes for another.

use crate::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sotto_ports::{MetaStore, StoreError};
use sotto_types::{AccountId, Secret};
use std::time::Duration;
use tokio::sync::Semaphore;

const SECRET_KEY: &str = "server-secret";

#[derive(Debug, Clone)]
pub(crate) struct ServerSecret(Secret<Vec<u8>>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    SignIn,
    Recovery,
    Receipt,
    AccountPseudonym,
}

impl Label {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::SignIn => b"sign-in challenge\0",
            Self::Recovery => b"recovery challenge\0",
            Self::Receipt => b"registration receipt\0",
            Self::AccountPseudonym => b"account pseudonym\0",
        }
    }
}

impl ServerSecret {
    /// Racing nodes agree on one: the first to store it wins.
    pub async fn load(meta: &dyn MetaStore) -> Result<Self, StoreError> {
        let fresh: [u8; 32] = rand::random();
        let stored = meta.put_new(SECRET_KEY, Bytes::copy_from_slice(&fresh)).await?;
        if stored.len() != fresh.len() {
            return Err(StoreError::Damaged("the server secret has another length".into()));
        }
        Ok(Self(Secret::new(stored.to_vec())))
    }

    pub fn mac(&self, label: Label, parts: &[&[u8]]) -> [u8; 32] {
        self.start(label, parts).finalize().into_bytes().into()
    }

    /// In constant time.
    pub fn verify(&self, label: Label, parts: &[&[u8]], mac: &[u8]) -> bool {
        self.start(label, parts).verify_slice(mac).is_ok()
    }

    /// Lets an account that a restored server forgot come back without an invite.
    pub fn receipt(&self, account: AccountId) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(Label::Receipt, &[account.as_bytes()]))
    }

    pub fn is_receipt(&self, account: AccountId, receipt: &str) -> bool {
        URL_SAFE_NO_PAD.decode(receipt).is_ok_and(|mac| self.verify(Label::Receipt, &[account.as_bytes()], &mac))
    }

    /// Names an account in a key of the meta store without saying which it is once the account is gone.
    pub fn pseudonym(&self, account: AccountId) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(Label::AccountPseudonym, &[account.as_bytes()]))
    }

    fn start(&self, label: Label, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("HMAC takes keys of any length");
        mac.update(label.bytes());
        for part in parts {
            // The length keeps neighbouring parts apart.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// An unguessable word for URLs and keys: 24 random bytes.
pub(crate) fn random_word() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

/// SHA-256 of a code, which is what stores keep of it.
pub(crate) fn hash_code(code: &str) -> [u8; 32] {
    use sha2::Digest;
    Sha256::digest(code.as_bytes()).into()
}

/// So many run at once, and who waits longer than this for a turn is refused: strangers can ask for this work.
static TURNS: Semaphore = Semaphore::const_new(4);
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Runs work that takes milliseconds of CPU (verifying a hundred signatures) away from the threads that serve connections.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let busy = || Refusal::unavailable("too many key uploads are being checked", TURN_WITHIN);
    let _turn = match TURNS.try_acquire() {
        Ok(turn) => turn,
        Err(_) => tokio::time::timeout(TURN_WITHIN, TURNS.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?,
    };
    // The simulation also runs in a browser, which has no threads.
    if cfg!(target_arch = "wasm32") {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Refusal::new(sotto_types::ErrorCode::Internal, "the server failed to check the keys")))
}
