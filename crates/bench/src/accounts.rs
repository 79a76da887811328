//! Real accounts, made quickly: every key and signature a server checks is there, one-time prekeys are not (nobody takes
//! them, and a bundle falls back on the last-resort key).
//! Flow: `register_all` (several connections, each one account after the other) -> `sign_in` -> an access token.

use crate::http::{HttpConn, HttpError};
use crate::target::Target;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sotto_crypto::device_list::{ListedDevice, generate_registration_id, sign_device_list};
use sotto_crypto::prekeys::{
    DevicePreKeyIds, DevicePreKeys, EcPreKeyId, KyberPreKeyId, SignedPreKeyId, generate_device_prekeys,
};
use sotto_crypto::{DeviceAuthKey, IdentityKeyPair, RecoveryAuthKey};
use sotto_types::{AccountId, Clock, DeviceAddress, DeviceId, Secret, SystemClock};
use sotto_wire::http;
use std::cell::Cell;
use std::rc::Rc;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Registrations under way at once in one process.
const REGISTRATIONS_AT_ONCE: u32 = 16;
/// Of the encrypted recovery backup a client would upload.
const BACKUP_BYTES: usize = 256;

pub const LIST_VERSION: u32 = 1;

/// The account's device keys, for those that really encrypt.
#[derive(Debug)]
pub struct Keys {
    pub identity: IdentityKeyPair,
    pub prekeys: DevicePreKeys,
}

/// A registered account with its only device.
#[derive(Debug)]
pub struct Member {
    pub address: DeviceAddress,
    pub registration_id: u32,
    pub auth: DeviceAuthKey,
    pub keys: Keys,
}

/// What all registrations of a run share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Makes the usernames of this run unlike those of others.
    pub run: String,
    pub invite: Option<String>,
}

/// Makes the keys and the request that registers them.
pub fn new_member(registration: &Registration, number: u32) -> (Member, http::Register) {
    let mut rng = rand::rng();
    let account = AccountId::from_uuid(Uuid::new_v4());
    let identity = IdentityKeyPair::generate(&mut rng);
    let auth = DeviceAuthKey::generate(&mut rng);
    let registration_id = generate_registration_id(&mut rng);
    let device = ListedDevice { id: DeviceId::FIRST, registration_id, auth_key: auth.public() };
    let list = sign_device_list(&identity, account, LIST_VERSION, &[device], &mut rng)
        .expect("one device with ids in range keeps every rule");
    let ids = DevicePreKeyIds {
        signed: SignedPreKeyId(1),
        last_resort: KyberPreKeyId(1),
        first_one_time_ec: EcPreKeyId(1),
        first_one_time_kyber: KyberPreKeyId(2),
        one_time_count: 0,
    };
    let prekeys = generate_device_prekeys(&identity, ids, SystemClock.now(), &mut rng);
    let recovery = RecoveryAuthKey::from_seed(&Secret::new(rand::random()));
    let request = http::Register {
        account_id: account,
        username: format!("bench_{}_{number}", registration.run),
        invite: registration.invite.clone(),
        receipt: None,
        device_id: DeviceId::FIRST.into(),
        list: list.into(),
        keys: prekeys.public(),
        recovery: http::RecoveryKeys {
            auth_key: recovery.public().as_bytes().to_vec().into(),
            backup: vec![0x5A; BACKUP_BYTES].into(),
        },
        encrypted_name: vec![0x5A; 32].into(),
    };
    let address = DeviceAddress::new(account, DeviceId::FIRST);
    (Member { address, registration_id, auth, keys: Keys { identity, prekeys } }, request)
}

impl Member {
    /// Challenge, signature, token.
    pub async fn sign_in(&self, http: &mut HttpConn) -> Result<String, HttpError> {
        let (account_id, device_id) = (self.address.account, self.address.device.into());
        let asked = http::ChallengeFor { account_id, device_id };
        let challenge: http::Challenge = http.post("/v1/auth/challenge", None, &asked).await?;
        let signature = self.auth.sign(&challenge.challenge.0).to_vec().into();
        let answer = http::SignIn { account_id, device_id, challenge: challenge.challenge, signature };
        let token: http::AccessToken = http.post("/v1/auth/token", None, &answer).await?;
        Ok(token.access_token)
    }
}

/// Registers accounts number `first` to `first + count`, in order. `progress` is called after each.
pub async fn register_all(
    target: &Target,
    registration: &Registration,
    first: u32,
    count: u32,
    progress: impl Fn(u32) + Clone + 'static,
) -> Result<Vec<Member>> {
    let next = Rc::new(Cell::new(0));
    let mut lanes = JoinSet::new();
    for lane in 0..REGISTRATIONS_AT_ONCE.min(count) {
        let (target, registration, next, progress) =
            (target.clone(), registration.clone(), Rc::clone(&next), progress.clone());
        lanes.spawn_local(async move {
            let mut http = target.http(first + lane).await?;
            let mut made = Vec::new();
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                let (member, request) = new_member(&registration, first + number);
                let registered: Result<http::Registered, _> = http.post("/v1/accounts", None, &request).await;
                registered.context("registration failed")?;
                made.push((number, member));
                progress(next.get());
            }
            anyhow::Ok(made)
        });
    }
    let mut members = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        members.extend(lane.context("a registration ended abnormally")??);
    }
    members.sort_by_key(|(number, _)| *number);
    Ok(members.into_iter().map(|(_, member)| member).collect())
}

/// Tokens for all of them, in order.
pub async fn sign_in_all(target: &Target, first: u32, members: &[Rc<Member>]) -> Result<Vec<String>> {
    let lanes_count = (REGISTRATIONS_AT_ONCE as usize).min(members.len());
    let mut lanes = JoinSet::new();
    for lane in 0..lanes_count {
        let mine: Vec<_> =
            members.iter().enumerate().skip(lane).step_by(lanes_count).map(|(i, m)| (i, Rc::clone(m))).collect();
        let (target, source) = (target.clone(), first + lane as u32);
        lanes.spawn_local(async move {
            let mut http = target.http(source).await?;
            let mut tokens = Vec::new();
            for (at, member) in mine {
                tokens.push((at, member.sign_in(&mut http).await.context("sign-in failed")?));
            }
            anyhow::Ok(tokens)
        });
    }
    let mut tokens = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        tokens.extend(lane.context("a sign-in ended abnormally")??);
    }
    tokens.sort_by_key(|(at, _)| *at);
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sotto_crypto::AuthPublicKey;
    use sotto_crypto::device_list::verify_device_list;
    use sotto_crypto::prekeys::verify_device_keys;
    use sotto_types::Username;

    #[test]
    fn a_registration_is_what_a_server_verifies() {
        let registration = Registration { run: "0a1b2c3d".into(), invite: None };
        let (member, request) = new_member(&registration, 4_000_000_000);
        let list = verify_device_list(&request.list.payload.0, &request.list.signature.0).expect("signed");
        assert_eq!(list.account(), member.address.account);
        assert_eq!((list.version(), list.devices().len()), (LIST_VERSION, 1));
        assert_eq!(list.device(DeviceId::FIRST).map(|device| device.registration_id), Some(member.registration_id));
        assert_eq!(verify_device_keys(&list.identity_key(), &request.keys), Ok(()));
        assert!(AuthPublicKey::parse(&request.recovery.auth_key.0).is_ok());
        assert!(Username::parse(&request.username).is_ok(), "{}", request.username);
    }
}
