//! Sotto's side of the interop test with Signal's own library (`tests/interop`): one device driven over standard input and
//! output, one JSON object per line, bytes as base64. Real sessions of this crate; nothing here is used by the product.
//! Requests have an "op"; the answer is an object, or {"error": "..."}.

#[path = "../tests/common/mod.rs"]
mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::Device;
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use sotto_crypto::session::{self, CiphertextType};
use sotto_crypto::{DeviceAuthKey, DistributionId, IdentityKey, IdentityKeyPair, ListedDevice, SafetyNumber};
use sotto_crypto::{device_list, sender_keys};
use sotto_types::{AccountId, DeviceAddress, DeviceId, Secret, Timestamp};
use sotto_wire::{http, pb};
use std::io::{BufRead, Write};

type Answer = Result<Value, String>;

fn main() {
    let mut rng = common::rng(std::process::id().into());
    let mut device = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is open");
        let answer = serde_json::from_str(&line)
            .map_err(|error| error.to_string())
            .and_then(|request| handle(&mut device, &request, &mut rng))
            .unwrap_or_else(|error| json!({ "error": error }));
        println!("{answer}");
        std::io::stdout().flush().expect("standard output is open");
    }
}

fn handle(device: &mut Option<Device>, request: &Value, rng: &mut ChaCha20Rng) -> Answer {
    if text(request, "op")? == "new" {
        let count = u32::try_from(number(request, "one_time")?).map_err(|error| error.to_string())?;
        let made = make_device(parse_address(request)?, count, rng);
        let answer = json!({ "identity": encode(made.identity.public().as_bytes()) });
        *device = Some(made);
        return Ok(answer);
    }
    let device = device.as_mut().ok_or("begin with \"new\"")?;
    match text(request, "op")? {
        "trust" => {
            let key = IdentityKey::parse(&bytes(request, "identity")?).map_err(|error| error.to_string())?;
            device.store.trust(parse_address(request)?.account, key);
            Ok(json!({}))
        }
        "bundle" => {
            let nth = usize::try_from(number(request, "nth")?).map_err(|error| error.to_string())?;
            serde_json::to_value(device.bundle(nth)).map_err(|error| error.to_string())
        }
        "start" => start(device, request, rng),
        "encrypt" => {
            let to = parse_address(request)?;
            let content = common::text_content(text(request, "text")?);
            let sealed =
                session::encrypt(&mut device.store, to, content, now(request)?, rng).map_err(|e| e.to_string())?;
            Ok(json!({ "type": sealed.kind.to_wire() as i32, "ciphertext": encode(&sealed.ciphertext) }))
        }
        "decrypt" => decrypt(device, request, rng),
        "group_create" => {
            let distribution = sender_keys::create_distribution(&mut device.store, distribution(request)?, rng);
            Ok(json!({ "distribution_message": encode(distribution.map_err(|error| error.to_string())?.expose()) }))
        }
        "group_process" => {
            let message = bytes(request, "distribution_message")?;
            sender_keys::process_distribution(&mut device.store, parse_address(request)?, &message)
                .map_err(|error| error.to_string())?;
            Ok(json!({}))
        }
        "group_encrypt" => {
            let body = text(request, "text")?.as_bytes();
            let ciphertext = sender_keys::encrypt(&mut device.store, distribution(request)?, body, rng)
                .map_err(|error| error.to_string())?;
            Ok(json!({ "ciphertext": encode(&ciphertext) }))
        }
        "group_decrypt" => {
            let got = sender_keys::decrypt(&mut device.store, parse_address(request)?, &bytes(request, "ciphertext")?)
                .map_err(|error| error.to_string())?;
            Ok(json!({ "text": String::from_utf8_lossy(got.body.expose()) }))
        }
        "safety_number" => {
            let other = IdentityKey::parse(&bytes(request, "identity")?).map_err(|error| error.to_string())?;
            let own = (device.address.account, &device.identity.public());
            let number = SafetyNumber::new(own, (parse_address(request)?.account, &other));
            let compared = request.get("scanned").map(|_| bytes(request, "scanned")).transpose()?;
            let equal =
                compared.map(|scanned| number.compare(&scanned)).transpose().map_err(|error| error.to_string())?;
            Ok(json!({ "digits": number.digits(), "scannable": encode(&number.scannable()), "equal": equal }))
        }
        other => Err(format!("unknown op {other}")),
    }
}

fn make_device(address: DeviceAddress, one_time: u32, rng: &mut ChaCha20Rng) -> Device {
    let [account, ..] = *address.account.as_bytes();
    let identity = IdentityKeyPair::generate(rng);
    Device::account(account, &[address.device.into()], &identity, one_time, rng).remove(0)
}

/// The peer's library signs prekeys but knows no device lists: the driver hands over its identity key pair to sign one.
fn start(device: &mut Device, request: &Value, rng: &mut ChaCha20Rng) -> Answer {
    let with = parse_address(request)?;
    let bundle: http::PreKeyBundle = serde_json::from_value(request.get("bundle").cloned().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    let identity = Secret::new(bytes(request, "identity_key_pair")?);
    let identity = IdentityKeyPair::parse(identity.expose()).map_err(|error| error.to_string())?;
    let listed = ListedDevice {
        id: with.device,
        registration_id: bundle.registration_id,
        auth_key: DeviceAuthKey::generate(rng).public(),
    };
    let signed =
        device_list::sign_device_list(&identity, with.account, 1, &[listed], rng).map_err(|e| e.to_string())?;
    let list =
        device_list::verify_device_list(&signed.payload, &signed.signature).map_err(|error| error.to_string())?;
    session::start_session(&mut device.store, with, &bundle, &list, now(request)?, rng)
        .map_err(|error| error.to_string())?;
    Ok(json!({}))
}

fn decrypt(device: &mut Device, request: &Value, rng: &mut ChaCha20Rng) -> Answer {
    let kind = i32::try_from(number(request, "type")?).ok().and_then(|kind| pb::CiphertextType::try_from(kind).ok());
    let kind = kind.and_then(CiphertextType::from_wire).ok_or("no such type")?;
    let ciphertext = bytes(request, "ciphertext")?;
    let got = session::decrypt(&mut device.store, parse_address(request)?, kind, &ciphertext, rng)
        .map_err(|error| error.to_string())?;
    Ok(json!({ "text": common::text_of(&got.content), "counter": got.info.counter, "version": got.info.version }))
}

fn text<'a>(request: &'a Value, name: &str) -> Result<&'a str, String> {
    request.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is missing"))
}

fn number(request: &Value, name: &str) -> Result<u64, String> {
    request.get(name).and_then(Value::as_u64).ok_or_else(|| format!("{name} is missing"))
}

fn bytes(request: &Value, name: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text(request, name)?).map_err(|error| error.to_string())
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn parse_address(request: &Value) -> Result<DeviceAddress, String> {
    let account: AccountId = text(request, "account")?.parse().map_err(|_| "not an account id")?;
    let device = u32::try_from(number(request, "device")?).ok().and_then(|id| DeviceId::try_from(id).ok());
    Ok(DeviceAddress::new(account, device.ok_or("not a device id")?))
}

fn distribution(request: &Value) -> Result<DistributionId, String> {
    let id = bytes(request, "distribution")?;
    Ok(DistributionId::from_bytes(id.try_into().map_err(|_| "a distribution id has 16 bytes")?))
}

fn now(request: &Value) -> Result<Timestamp, String> {
    Ok(Timestamp::from_ms(number(request, "now")?))
}
