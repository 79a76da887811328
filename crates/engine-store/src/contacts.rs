//! People: what is known of an account, its trusted identity key, its last signed device list. The own account has a row too.

use crate::{StoreError, Tx, int, uint};
use rusqlite::{OptionalExtension, Row};
use sotto_types::{AccountId, Secret};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub account: AccountId,
    pub username: Option<String>,
    pub display_name: Option<String>,
    /// Trusted: on first use, or by the person.
    pub identity_key: Option<Vec<u8>>,
    pub verified: bool,
    /// Another key that waits for the person's decision.
    pub pending_key: Option<Vec<u8>>,
    pub list_version: u32,
    /// (payload, signature) of the newest accepted device list.
    pub list: Option<(Vec<u8>, Vec<u8>)>,
    pub blocked: bool,
    /// The list must be fetched before the next send.
    pub stale: bool,
    /// Shown among contacts (a conversation or a look-up), not only known as a sender's device list.
    pub listed: bool,
    /// A name that the server says this account has, and that another account known here has too.
    pub claims: Option<String>,
    /// The person has not decided whose it is.
    pub claim_open: bool,
    /// What this person calls them.
    pub nickname: Option<String>,
    /// What they say of themselves.
    pub about: Option<String>,
    /// Names what `picture` has.
    pub picture: Option<String>,
    /// Of their profile, as this profile knows it.
    pub profile_version: u64,
}

impl Contact {
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            username: None,
            display_name: None,
            identity_key: None,
            verified: false,
            pending_key: None,
            list_version: 0,
            list: None,
            blocked: false,
            stale: true,
            listed: false,
            claims: None,
            claim_open: false,
            nickname: None,
            about: None,
            picture: None,
            profile_version: 0,
        }
    }
}

const PICTURE: &str = "picture.data";

const COLUMNS: &str =
    "account, username, display_name, identity_key, verified, pending_key, list_version, list_payload,
    list_signature, blocked, stale, listed, claims, claim_open, nickname, about, picture, profile_version";

fn contact(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let (payload, signature): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(7)?, row.get(8)?);
    Ok(Contact {
        account: AccountId::from_bytes(row.get(0)?),
        username: row.get(1)?,
        display_name: row.get(2)?,
        identity_key: row.get(3)?,
        verified: row.get(4)?,
        pending_key: row.get(5)?,
        list_version: row.get(6)?,
        list: payload.zip(signature),
        blocked: row.get(9)?,
        stale: row.get(10)?,
        listed: row.get(11)?,
        claims: row.get(12)?,
        claim_open: row.get(13)?,
        nickname: row.get(14)?,
        about: row.get(15)?,
        picture: row.get(16)?,
        profile_version: uint(row.get(17)?),
    })
}

impl Tx<'_> {
    pub fn contact(&self, account: AccountId) -> Result<Option<Contact>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM contact WHERE account = ?1"))?
            .query_row([account.as_bytes()], contact)
            .optional()?)
    }

    pub fn contact_named(&self, username: &str) -> Result<Option<Contact>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM contact WHERE username = ?1"))?
            .query_row([username], contact)
            .optional()?)
    }

    /// An account that the server says has this name, which is another's here; one the person has not decided about first.
    pub fn contact_claiming(&self, username: &str) -> Result<Option<Contact>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM contact WHERE claims = ?1 ORDER BY claim_open DESC, account LIMIT 1"
            ))?
            .query_row([username], contact)
            .optional()?)
    }

    /// The name stays whose it is.
    pub fn refuse_claims(&self, username: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE contact SET claim_open = 0 WHERE claims = ?1")?.execute([username])?;
        Ok(())
    }

    pub fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM contact ORDER BY username, account"))?;
        let rows = statement.query_map([], contact)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn put_contact(&self, contact: &Contact) -> Result<(), StoreError> {
        if let Some(username) = &contact.username {
            // Names move between accounts (an account was deleted): the newest holder has it.
            self.sql
                .prepare_cached("UPDATE contact SET username = NULL WHERE username = ?1 AND account <> ?2")?
                .execute((username, contact.account.as_bytes()))?;
        }
        let (payload, signature) = contact.list.as_ref().map(|(p, s)| (p, s)).unzip();
        self.sql
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO contact({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                   ?13, ?14, ?15, ?16, ?17, ?18)"
            ))?
            .execute(rusqlite::params![
                contact.account.as_bytes(),
                contact.username,
                contact.display_name,
                contact.identity_key,
                contact.verified,
                contact.pending_key,
                contact.list_version,
                payload,
                signature,
                contact.blocked,
                contact.stale,
                contact.listed,
                contact.claims,
                contact.claim_open,
                contact.nickname,
                contact.about,
                contact.picture,
                int(contact.profile_version),
            ])?;
        Ok(())
    }

    pub fn picture(&self, account: AccountId) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .sql
            .prepare_cached("SELECT data FROM picture WHERE account = ?1")?
            .query_row([account.as_bytes()], |row| row.get(0))
            .optional()?;
        sealed.map(|sealed| self.key.open(PICTURE, account.as_bytes(), &sealed)).transpose()
    }

    pub fn put_picture(&self, account: AccountId, picture: Option<&[u8]>) -> Result<(), StoreError> {
        match picture {
            None => {
                self.sql.prepare_cached("DELETE FROM picture WHERE account = ?1")?.execute([account.as_bytes()])?;
            }
            Some(picture) => {
                let sealed = self.key.seal(PICTURE, account.as_bytes(), picture);
                self.sql
                    .prepare_cached("INSERT OR REPLACE INTO picture(account, data) VALUES (?1, ?2)")?
                    .execute((account.as_bytes(), sealed))?;
            }
        }
        Ok(())
    }

    /// Something may have been missed while away: every cached list is checked again before its next use.
    pub fn mark_contact_stale(&self, account: AccountId) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE contact SET stale = 1 WHERE account = ?1")?.execute([account.as_bytes()])?;
        Ok(())
    }
}
