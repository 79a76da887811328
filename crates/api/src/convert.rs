//! Bodies to domain values and back. Shapes only: what is allowed is the domain's.

use crate::problem::ApiError;
use sotto_domain as domain;
use sotto_types::{AccountId, DeviceId, ErrorCode, Timestamp};
use sotto_wire::http::{self as body, Base64};

pub(crate) fn device_id(id: u32) -> Result<DeviceId, ApiError> {
    DeviceId::try_from(id).map_err(|error| ApiError::bad_request(error.to_string()))
}

pub(crate) fn device_id_in_path(text: &str) -> Result<DeviceId, ApiError> {
    device_id(text.parse().map_err(|_| ApiError::bad_request("a device id is a number from 1 to 127"))?)
}

pub(crate) fn account_id_in_path(text: &str) -> Result<AccountId, ApiError> {
    text.parse().map_err(|error| ApiError::bad_request(format!("account id: {error}")))
}

/// Bodies may say anything of the right JSON type, also the nil UUID.
pub(crate) fn account_id(id: AccountId) -> Result<AccountId, ApiError> {
    AccountId::try_from(&id.as_bytes()[..]).map_err(|error| ApiError::bad_request(format!("account id: {error}")))
}

pub(crate) fn list(list: body::SignedList) -> domain::ListBytes {
    domain::ListBytes { payload: list.payload.0.into(), signature: list.signature.0.into() }
}

pub(crate) fn signed_list(list: domain::SignedDeviceList) -> body::SignedList {
    body::SignedList { payload: bytes(list.payload), signature: bytes(list.signature) }
}

pub(crate) fn bytes(bytes: bytes::Bytes) -> Base64 {
    Base64(bytes.into())
}

fn ec_prekey(key: body::EcPreKey) -> domain::StoredEcPreKey {
    domain::StoredEcPreKey { id: key.id, public_key: key.public_key.0.into() }
}

fn signed_prekey(key: body::SignedPreKey) -> domain::StoredSignedPreKey {
    domain::StoredSignedPreKey { id: key.id, public_key: key.public_key.0.into(), signature: key.signature.0.into() }
}

pub(crate) fn device_keys(keys: body::DeviceKeys) -> domain::DeviceKeys {
    domain::DeviceKeys {
        signed: signed_prekey(keys.signed_prekey),
        last_resort: signed_prekey(keys.last_resort_kyber),
        one_time_ec: keys.one_time_ec.into_iter().map(ec_prekey).collect(),
        one_time_kyber: keys.one_time_kyber.into_iter().map(signed_prekey).collect(),
    }
}

pub(crate) fn new_prekeys(keys: body::UploadKeys) -> domain::NewPreKeys {
    domain::NewPreKeys {
        signed: keys.signed_prekey.map(signed_prekey),
        last_resort: keys.last_resort_kyber.map(signed_prekey),
        one_time_ec: keys.one_time_ec.into_iter().map(ec_prekey).collect(),
        one_time_kyber: keys.one_time_kyber.into_iter().map(signed_prekey).collect(),
        replace: keys.replace,
    }
}

pub(crate) fn recovery(keys: body::RecoveryKeys) -> Result<domain::Recovery, ApiError> {
    let auth_key = keys
        .auth_key
        .0
        .try_into()
        .map_err(|_| ApiError::new(ErrorCode::KeyRejected, "the recovery auth key must have 32 bytes"))?;
    Ok(domain::Recovery { auth_key, backup: keys.backup.0.into() })
}

pub(crate) fn key_counts(counts: domain::KeyCounts) -> body::KeyCounts {
    body::KeyCounts {
        one_time_ec: counts.one_time_ec,
        one_time_kyber: counts.one_time_kyber,
        signed_prekey_id: counts.signed_id,
        last_resort_kyber_id: counts.last_resort_id,
        highest_one_time_ec_id: counts.highest_ec_id,
        highest_one_time_kyber_id: counts.highest_kyber_id,
    }
}

pub(crate) fn bundle(bundle: domain::StoredBundle) -> body::PreKeyBundle {
    let signed = |key: domain::StoredSignedPreKey| body::SignedPreKey {
        id: key.id,
        public_key: bytes(key.public_key),
        signature: bytes(key.signature),
    };
    body::PreKeyBundle {
        device_id: bundle.device.into(),
        registration_id: bundle.registration_id,
        signed_prekey: signed(bundle.signed),
        kyber_prekey: signed(bundle.kyber),
        one_time_ec: bundle.one_time_ec.map(|key| body::EcPreKey { id: key.id, public_key: bytes(key.public_key) }),
    }
}

fn audience(audience: body::Audience) -> domain::Audience {
    match audience {
        body::Audience::Everyone => domain::Audience::Everyone,
        body::Audience::Contacts => domain::Audience::Contacts,
        body::Audience::Nobody => domain::Audience::Nobody,
    }
}

fn shown_audience(audience: domain::Audience) -> body::Audience {
    match audience {
        domain::Audience::Everyone => body::Audience::Everyone,
        domain::Audience::Contacts => body::Audience::Contacts,
        domain::Audience::Nobody => body::Audience::Nobody,
    }
}

pub(crate) fn new_privacy(body: body::Privacy) -> domain::Privacy {
    let rule = |rule: body::PrivacyRule| domain::PrivacyRule { audience: audience(rule.audience), except: rule.except };
    domain::Privacy {
        version: body.version,
        last_seen: rule(body.last_seen),
        online: audience(body.online),
        picture: rule(body.picture),
        about: rule(body.about),
        read_receipts: audience(body.read_receipts),
        group_adds: rule(body.group_adds),
    }
}

pub(crate) fn privacy(privacy: &domain::Privacy) -> body::Privacy {
    let rule = |rule: &domain::PrivacyRule| body::PrivacyRule {
        audience: shown_audience(rule.audience),
        except: rule.except.clone(),
    };
    body::Privacy {
        version: privacy.version,
        last_seen: rule(&privacy.last_seen),
        online: shown_audience(privacy.online),
        picture: rule(&privacy.picture),
        about: rule(&privacy.about),
        read_receipts: shown_audience(privacy.read_receipts),
        group_adds: rule(&privacy.group_adds),
    }
}

pub(crate) fn challenge(new: domain::NewChallenge) -> body::Challenge {
    body::Challenge { challenge: new.challenge.into(), expires_ms: ms(new.expires) }
}

pub(crate) fn ms(time: Timestamp) -> u64 {
    time.as_ms()
}
