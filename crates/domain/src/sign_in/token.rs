//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), under a key of the day.
//! Flow: the first use on a day makes or loads that day's key -> `issue` -> `verify` -> two days later the key is wiped.
//! Always true:
//! - every node has the same key for a day: the first one stored wins;
//! - a token is verified only with the key its `kid` names and only as EdDSA; our headers are constants, compared as text,
//!   so no header can choose another algorithm;
//! - a token counts as verified only after its signature was checked or made here, by a hash of the whole text;
//! - yesterday's key verifies until the last of its tokens has expired: a rotation logs nobody out.
//!
//! Elsewhere: that the device still exists is checked in `authenticate`.

use crate::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sotto_ports::{MetaStore, StoreError};
use sotto_types::{DeviceAddress, DeviceId, ErrorCode, Timestamp, limits};
use std::fmt;
use std::sync::Arc;

const DAY_MS: u64 = 86_400_000;
const ISSUER: &str = "sotto";
/// A token of ours has about 300 characters.
const TOKEN_BYTES_MAX: usize = 1024;

#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    pub token: String,
    pub expires: Timestamp,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// What a token says. `key` ties it to the auth key the device had: a later device of the same id is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    key: String,
    iat: u64,
    exp: u64,
}

impl Claims {
    pub fn address(&self) -> Option<DeviceAddress> {
        let (account, device) = self.sub.split_once('.')?;
        let device = DeviceId::try_from(device.parse::<u32>().ok()?).ok()?;
        Some(DeviceAddress::new(account.parse().ok()?, device))
    }

    pub fn expires(&self) -> Timestamp {
        Timestamp::from_ms(self.exp.saturating_mul(1000))
    }

    pub fn is_for_key(&self, auth_key: &[u8; 32]) -> bool {
        self.key == key_tag(auth_key)
    }
}

fn key_tag(auth_key: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(auth_key.first_chunk::<12>().expect("32 bytes have 12"))
}

struct DayKey {
    day: u64,
    signing: SigningKey,
    verifying: VerifyingKey,
    /// The encoded header with this key's `kid`.
    header: String,
}

impl DayKey {
    fn new(day: u64, seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{day}"}}"#));
        Self { day, verifying: signing.verifying_key(), signing, header }
    }
}

/// Hashes of tokens that this node signed or verified lately: a device comes back with the token it just got, and checking
/// its signature again would be a fifth of a sign-in.
const KNOWN_TOKENS: usize = 65_536;

pub(crate) struct TokenKeys {
    meta: Arc<dyn MetaStore>,
    known: Cache<[u8; 32], u64>,
    /// Of the days around today; three at most.
    keys: RwLock<Vec<Arc<DayKey>>>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys")
    }
}

impl TokenKeys {
    pub async fn load(meta: Arc<dyn MetaStore>, now: Timestamp) -> Result<Self, StoreError> {
        let keys = Self { meta, known: Cache::new(KNOWN_TOKENS), keys: RwLock::default() };
        keys.signing_key(day_of(now)).await?;
        Ok(keys)
    }

    pub async fn issue(
        &self,
        to: DeviceAddress,
        auth_key: &[u8; 32],
        now: Timestamp,
    ) -> Result<AccessToken, StoreError> {
        let key = self.signing_key(day_of(now)).await?;
        let exp = now.plus(limits::ACCESS_TOKEN).as_secs();
        let claims = Claims {
            iss: ISSUER.into(),
            sub: format!("{}.{}", to.account, to.device),
            key: key_tag(auth_key),
            iat: now.as_secs(),
            exp,
        };
        let claims = serde_json::to_vec(&claims).expect("strings and numbers always serialize");
        let mut token = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = key.signing.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        self.known.insert(hash_of(&token), key.day);
        Ok(AccessToken { token, expires: Timestamp::from_ms(exp * 1000) })
    }

    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(foreign());
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(foreign)?;
        let (header, claims) = signed.split_once('.').ok_or_else(foreign)?;
        let hash = hash_of(token);
        // With the day of its key: a token must not outlive that, whatever it says itself.
        if self.known.get(&hash).is_none_or(|day| day + 1 < day_of(now)) {
            let key = self.key_of(header, now).await?;
            verify_jws(&key.verifying, signed, signature).ok_or_else(foreign)?;
            self.known.insert(hash, key.day);
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| foreign())?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| foreign())?;
        if claims.iss != ISSUER {
            return Err(foreign());
        }
        if claims.expires() <= now {
            return Err(expired());
        }
        Ok(claims)
    }

    /// Makes sure of today's key and wipes those that no live token needs.
    pub async fn rotate(&self, now: Timestamp) -> Result<(), StoreError> {
        let today = day_of(now);
        self.signing_key(today).await?;
        self.keys.write().retain(|key| key.day + 1 >= today);
        // A week back, so that nodes that were off for some days clean up as well.
        for day in today.saturating_sub(8)..today.saturating_sub(1) {
            let name = meta_key(day);
            if self.holds_seed(&name).await? {
                self.meta.put(&name, Bytes::new()).await?;
            }
        }
        Ok(())
    }

    async fn holds_seed(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.meta.get(name).await?.is_some_and(|seed| !seed.is_empty()))
    }

    async fn key_of(&self, header: &str, now: Timestamp) -> Result<Arc<DayKey>, Refusal> {
        let today = day_of(now);
        let known = self.keys.read().iter().find(|key| key.header == header && key.day + 1 >= today).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        // Another node may have made it, or this one restarted: tokens live minutes, so only days next to today can do.
        for day in [today.saturating_sub(1), today + 1] {
            if let Some(key) = self.stored(day).await?
                && key.header == header
            {
                self.remember(&key);
                return Ok(key);
            }
        }
        Err(if is_older_header(header, today) { expired() } else { foreign() })
    }

    async fn signing_key(&self, day: u64) -> Result<Arc<DayKey>, StoreError> {
        if let Some(key) = self.keys.read().iter().find(|key| key.day == day) {
            return Ok(Arc::clone(key));
        }
        let fresh = Bytes::copy_from_slice(&rand::random::<[u8; 32]>());
        if self.meta.put_new(&meta_key(day), fresh.clone()).await?.is_empty() {
            // Wiped while the clock was wrong by days.
            self.meta.put(&meta_key(day), fresh).await?;
        }
        let key =
            self.stored(day).await?.ok_or_else(|| StoreError::Failed("a token key just stored is gone".into()))?;
        self.remember(&key);
        Ok(key)
    }

    async fn stored(&self, day: u64) -> Result<Option<Arc<DayKey>>, StoreError> {
        let Some(seed) = self.meta.get(&meta_key(day)).await?.filter(|seed| !seed.is_empty()) else { return Ok(None) };
        let seed = <[u8; 32]>::try_from(&seed[..])
            .map_err(|_| StoreError::Damaged("a token key has another length".into()))?;
        Ok(Some(Arc::new(DayKey::new(day, &seed))))
    }

    fn remember(&self, key: &Arc<DayKey>) {
        let mut keys = self.keys.write();
        if !keys.iter().any(|known| known.day == key.day) {
            keys.push(Arc::clone(key));
        }
    }
}

fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn meta_key(day: u64) -> String {
    format!("token-key/{day}")
}

fn day_of(now: Timestamp) -> u64 {
    now.as_ms() / DAY_MS
}

/// A JWS in compact form (RFC 7515 section 3.1), the signature apart.
fn verify_jws(key: &VerifyingKey, signed: &str, signature: &str) -> Option<()> {
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signature = Signature::from_slice(&signature).ok()?;
    key.verify_strict(signed.as_bytes(), &signature).ok()
}

/// A header as we made them on an earlier day: its key is gone, and with it every token.
fn is_older_header(header: &str, today: u64) -> bool {
    #[derive(Deserialize)]
    struct Header {
        kid: String,
    }
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|json| serde_json::from_slice::<Header>(&json).ok());
    header.and_then(|header| header.kid.parse::<u64>().ok()).is_some_and(|day| day < today)
}

fn foreign() -> Refusal {
    Refusal::new(ErrorCode::TokenInvalid, "not an access token of this server")
}

fn expired() -> Refusal {
    Refusal::new(ErrorCode::TokenExpired, "the access token has expired; sign in again")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: the same construction, so other libraries read our tokens.
    #[test]
    fn verifies_the_rfc_8037_example() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_bytes(&seed.try_into().unwrap());
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
            "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        );
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).to_bytes()), signature);
        assert!(verify_jws(&key.verifying_key(), signed, signature).is_some());
        assert!(verify_jws(&key.verifying_key(), &signed[1..], signature).is_none());
    }
}
