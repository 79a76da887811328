//! Sealing of secret columns: XChaCha20-Poly1305 under a random data key, bound to table, column and row, so that a sealed value
//! moved elsewhere does not open. The data key is stored plain, or wrapped by Argon2id of the passphrase.
//! Always true: changing the passphrase wraps the same data key again; it never re-encrypts rows half-way.

use crate::StoreError;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::RngCore;
use rusqlite::{Connection, OptionalExtension};
use sotto_types::Secret;

const NONCE: usize = 24;
/// 64 MiB, 3 passes: about a third of a second on a phone.
const ARGON_KIB: u32 = 64 * 1024;
const ARGON_PASSES: u32 = 3;
const SALT: usize = 16;

#[derive(Debug)]
pub(crate) struct DataKey(Secret<[u8; 32]>);

impl DataKey {
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose().into())
    }

    /// `place` is "table.column", `row` the row's key.
    pub(crate) fn seal(&self, place: &str, row: &[u8], value: &[u8]) -> Vec<u8> {
        seal_with(&self.cipher(), place, row, value)
    }

    pub(crate) fn open(&self, place: &str, row: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, StoreError> {
        open_with(&self.cipher(), place, row, sealed)
            .ok_or_else(|| StoreError::Damaged(format!("{place} does not open")))
    }
}

fn seal_with(cipher: &XChaCha20Poly1305, place: &str, row: &[u8], value: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    let aad = [place.as_bytes(), b"\0", row].concat();
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: &aad })
        .expect("encryption fails only above 256 GiB");
    [&nonce[..], &sealed].concat()
}

fn open_with(cipher: &XChaCha20Poly1305, place: &str, row: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let nonce = <[u8; NONCE]>::try_from(nonce).ok()?;
    let aad = [place.as_bytes(), b"\0", row].concat();
    cipher.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: &aad }).ok().map(Secret::new)
}

fn get(sql: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(sql.query_row("SELECT value FROM vault WHERE name = ?1", [name], |row| row.get(0)).optional()?)
}

fn put(sql: &Connection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    sql.execute("INSERT OR REPLACE INTO vault(name, value) VALUES (?1, ?2)", (name, value))?;
    Ok(())
}

/// Whether the store needs a passphrase.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn is_locked(sql: &Connection) -> Result<bool, StoreError> {
    Ok(get(sql, "wrapped_key")?.is_some())
}

/// The data key (made on first use) and whether a passphrase guards it.
pub(crate) fn unlock(sql: &Connection, passphrase: Option<&Secret<String>>) -> Result<(DataKey, bool), StoreError> {
    if let Some(wrapped) = get(sql, "wrapped_key")? {
        let passphrase = passphrase.ok_or(StoreError::NeedsPassphrase)?;
        let params = get(sql, "argon2")?.ok_or_else(|| StoreError::Damaged("no key parameters".into()))?;
        let key = open_with(&wrapping_cipher(passphrase, &params)?, "vault.key", b"", &wrapped)
            .ok_or(StoreError::WrongPassphrase)?;
        return Ok((data_key(key.expose())?, true));
    }
    if let Some(plain) = get(sql, "plain_key")? {
        return Ok((data_key(&plain)?, false));
    }
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    let key = DataKey(Secret::new(bytes));
    wrap(sql, &key, passphrase)?;
    Ok((key, passphrase.is_some()))
}

fn data_key(bytes: &[u8]) -> Result<DataKey, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Damaged("the data key".into()))?;
    Ok(DataKey(Secret::new(bytes)))
}

/// Stores the data key, wrapped if there is a passphrase; overwrites the other form.
pub(crate) fn wrap(sql: &Connection, key: &DataKey, passphrase: Option<&Secret<String>>) -> Result<(), StoreError> {
    let Some(passphrase) = passphrase else {
        put(sql, "plain_key", key.0.expose())?;
        sql.execute("DELETE FROM vault WHERE name IN ('wrapped_key', 'argon2')", [])?;
        return Ok(());
    };
    let mut salt = [0; SALT];
    rand::rng().fill_bytes(&mut salt);
    let params = [&ARGON_KIB.to_le_bytes()[..], &ARGON_PASSES.to_le_bytes(), &salt].concat();
    let wrapped = seal_with(&wrapping_cipher(passphrase, &params)?, "vault.key", b"", key.0.expose());
    put(sql, "argon2", &params)?;
    put(sql, "wrapped_key", &wrapped)?;
    sql.execute("DELETE FROM vault WHERE name = 'plain_key'", [])?;
    Ok(())
}

fn wrapping_cipher(passphrase: &Secret<String>, params: &[u8]) -> Result<XChaCha20Poly1305, StoreError> {
    let damaged = || StoreError::Damaged("the key parameters".into());
    let (kib, rest) = params.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (passes, salt) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let kib = u32::from_le_bytes(*kib);
    // A file from elsewhere must not make us allocate without bound.
    if kib > 1024 * 1024 {
        return Err(damaged());
    }
    let params = Params::new(kib, u32::from_le_bytes(*passes), 1, Some(32)).map_err(|_| damaged())?;
    let mut key = zeroize::Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut key[..])
        .map_err(|_| damaged())?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}
