//! Invite links: the link carries the seed of an Ed25519 key whose public half an admin put into the list. Who joins proves with it
//! that the link was in its hands, for one group, account and identity key: a proof seen by others lets nobody else in.
//! Always true: verification is strict (canonical, no low-order points), so a proof shows knowledge of the seed.

use crate::identity::IdentityKey;
use crate::keys::{BadSignature, KeyError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::{CryptoRng, Rng};
use sotto_types::{AccountId, GroupId, Secret};
use sotto_wire::GROUP_JOIN_DOMAIN;
use std::fmt;

/// Ed25519 over the domain, group id, account id and identity key.
pub type JoinProof = [u8; 64];

/// What a link carries. Whoever has it can join while the invite is open.
#[derive(Debug, Clone, PartialEq)]
pub struct InviteSeed(Secret<[u8; 32]>);

impl InviteSeed {
    pub fn generate<R: CryptoRng + Rng>(rng: &mut R) -> Self {
        Self(Secret::new(rng.random()))
    }

    pub const fn from_bytes(seed: Secret<[u8; 32]>) -> Self {
        Self(seed)
    }

    pub const fn as_secret(&self) -> &Secret<[u8; 32]> {
        &self.0
    }

    pub fn public_key(&self) -> InviteKey {
        InviteKey(self.key().verifying_key().to_bytes())
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(self.0.expose())
    }
}

/// The public half, as the list has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteKey([u8; 32]);

impl InviteKey {
    /// Refuses bytes that are no point, or one of low order: with such a key anyone could join.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| KeyError::Malformed)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Malformed)?;
        if key.is_weak() { Err(KeyError::LowOrder) } else { Ok(Self(bytes)) }
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn verify_join(
        &self,
        group: GroupId,
        account: AccountId,
        identity_key: &IdentityKey,
        proof: &JoinProof,
    ) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        key.verify_strict(&statement(group, account, identity_key), &Signature::from_bytes(proof))
            .map_err(|_| BadSignature)
    }
}

impl fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "InviteKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// For `Change::Join` of this account under this identity key, and for no other.
pub fn prove_join(seed: &InviteSeed, group: GroupId, account: AccountId, identity_key: &IdentityKey) -> JoinProof {
    seed.key().sign(&statement(group, account, identity_key)).to_bytes()
}

fn statement(group: GroupId, account: AccountId, identity_key: &IdentityKey) -> Vec<u8> {
    [GROUP_JOIN_DOMAIN, group.as_bytes(), account.as_bytes(), identity_key.as_bytes()].concat()
}
