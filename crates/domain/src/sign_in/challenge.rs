//! Challenges that the server recognizes without having kept them.
//! Layout: expiry in ms (8 bytes, big endian) | nonce (16) | MAC (32) over epoch, whom it is for, expiry and nonce.
//! Always true:
//! - one is good for one subject, until its expiry, once: a used nonce is remembered that long;
//! - a nonce counts as used only after a valid signature, so nobody can fill the memory of used ones;
//! - when the ephemeral store loses its memory (a restart), every earlier challenge is void: the epoch in the MAC lives there.

use crate::limiter::AddressLimit;
use crate::secrets::Label;
use crate::{Domain, Refusal};
use bytes::Bytes;
use sotto_ports::{EphemeralStore, StoreError};
use sotto_types::{DeviceAddress, ErrorCode, Timestamp, Username, limits};
use std::net::IpAddr;

const NONCE: std::ops::Range<usize> = 8..24;
const LENGTH: usize = 56;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChallenge {
    pub challenge: Vec<u8>,
    pub expires: Timestamp,
}

/// Whom a challenge is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChallengeOf<'a> {
    Device(DeviceAddress),
    Recovery(&'a Username),
}

/// A random value that lives exactly as long as the memory of used challenges.
#[derive(Debug, Clone)]
pub(crate) struct ChallengeEpoch(Bytes);

impl ChallengeEpoch {
    pub async fn load(ephemeral: &dyn EphemeralStore, now: Timestamp) -> Result<Self, StoreError> {
        const KEY: &[u8] = b"challenge-epoch";
        let fresh = Bytes::copy_from_slice(&rand::random::<[u8; 16]>());
        if ephemeral.put_new(KEY, fresh.clone(), Timestamp::from_ms(u64::MAX), now).await? {
            return Ok(Self(fresh));
        }
        Ok(Self(ephemeral.get(KEY, now).await?.unwrap_or(fresh)))
    }
}

impl Domain {
    /// For any device that may exist: whether it does is told only to who can sign.
    pub async fn challenge(&self, of: DeviceAddress, ip: IpAddr) -> Result<NewChallenge, Refusal> {
        self.limiter.check_address(AddressLimit::Challenge, ip, self.now())?;
        Ok(self.new_challenge(ChallengeOf::Device(of)))
    }

    pub(crate) fn new_challenge(&self, of: ChallengeOf<'_>) -> NewChallenge {
        let expires = self.now().plus(limits::CHALLENGE);
        let mut challenge = Vec::with_capacity(LENGTH);
        challenge.extend_from_slice(&expires.as_ms().to_be_bytes());
        challenge.extend_from_slice(&rand::random::<[u8; 16]>());
        let mac = self.challenge_mac(of, &challenge, |label, parts| self.secret.mac(label, parts));
        challenge.extend_from_slice(&mac);
        NewChallenge { challenge, expires }
    }

    /// Ours, for this subject, and not expired. Whether it was used comes later: see `use_challenge`.
    pub(crate) fn check_challenge(&self, of: ChallengeOf<'_>, challenge: &[u8]) -> Result<(), Refusal> {
        let Some((body, mac)) = challenge.split_at_checked(NONCE.end).filter(|_| challenge.len() == LENGTH) else {
            return Err(invalid("not a challenge of this server"));
        };
        if !self.challenge_mac(of, body, |label, parts| self.secret.verify(label, parts, mac)) {
            return Err(invalid("not a challenge of this server for this device or name"));
        }
        if expiry(body) <= self.now() {
            return Err(invalid("the challenge has expired"));
        }
        Ok(())
    }

    /// Call it when the signature was found valid and before anything is granted.
    pub(crate) async fn use_challenge(&self, challenge: &[u8]) -> Result<(), Refusal> {
        let nonce = challenge.get(NONCE).ok_or_else(|| invalid("not a challenge of this server"))?;
        let key = [b"used/", nonce].concat();
        if !self.parts.ephemeral.put_new(&key, Bytes::new(), expiry(challenge), self.now()).await? {
            return Err(invalid("the challenge was used before"));
        }
        Ok(())
    }

    fn challenge_mac<T>(&self, of: ChallengeOf<'_>, body: &[u8], with: impl FnOnce(Label, &[&[u8]]) -> T) -> T {
        match of {
            ChallengeOf::Device(of) => {
                with(Label::SignIn, &[&self.epoch.0, of.account.as_bytes(), &[of.device.get()], body])
            }
            ChallengeOf::Recovery(name) => with(Label::Recovery, &[&self.epoch.0, name.as_str().as_bytes(), body]),
        }
    }
}

fn expiry(challenge: &[u8]) -> Timestamp {
    let bytes = challenge.first_chunk().copied().unwrap_or_default();
    Timestamp::from_ms(u64::from_be_bytes(bytes))
}

fn invalid(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::ChallengeInvalid, detail)
}
