//! The own sender key of each group, and which devices have stored it.
//! Always true: of a distribution that was replaced nothing is left: neither its record nor who had it, whoever acknowledges it later.
//! Elsewhere: records of sender keys, own and others', in `keys`.

use crate::{StoreError, Tx, int, uint};
use rusqlite::OptionalExtension;
use sotto_types::{AccountId, DeviceAddress, GroupId, Timestamp};

/// What decides when a sender key has to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnDistribution {
    pub id: [u8; 16],
    pub created: Timestamp,
    /// Encrypted with it so far.
    pub messages: u32,
    /// The operation that last changed who is a member, when it was made.
    pub membership_revision: u32,
}

/// A device that has stored a sender key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHolder {
    pub device: DeviceAddress,
    /// Another one: it was set up anew, and has the key no more.
    pub registration_id: u32,
}

impl Tx<'_> {
    pub fn distribution(&self, group: GroupId) -> Result<Option<OwnDistribution>, StoreError> {
        Ok(self
            .sql
            .prepare_cached(
                "SELECT distribution, created_ms, messages, membership_revision FROM distribution WHERE group_id = ?1",
            )?
            .query_row([group.as_bytes()], |row| {
                Ok(OwnDistribution {
                    id: row.get(0)?,
                    created: Timestamp::from_ms(uint(row.get(1)?)),
                    messages: row.get(2)?,
                    membership_revision: row.get(3)?,
                })
            })
            .optional()?)
    }

    /// The current one from now on; another that was there goes.
    pub fn put_distribution(&self, group: GroupId, distribution: &OwnDistribution) -> Result<(), StoreError> {
        if self.distribution(group)?.is_some_and(|known| known.id != distribution.id) {
            self.delete_distribution(group)?;
        }
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO distribution(group_id, distribution, created_ms, messages, membership_revision)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                group.as_bytes(),
                distribution.id,
                int(distribution.created.as_ms()),
                distribution.messages,
                distribution.membership_revision,
            ))?;
        Ok(())
    }

    pub fn delete_distribution(&self, group: GroupId) -> Result<(), StoreError> {
        let Some(known) = self.distribution(group)? else { return Ok(()) };
        self.delete_key_holders(&known.id)?;
        for table in ["sender_key", "distribution"] {
            self.sql.prepare_cached(&format!("DELETE FROM {table} WHERE distribution = ?1"))?.execute([known.id])?;
        }
        Ok(())
    }

    /// These have stored it. Not kept if the distribution is not current any more.
    pub fn put_key_holders(&self, distribution: &[u8; 16], holders: &[KeyHolder]) -> Result<(), StoreError> {
        let mut statement = self.sql.prepare_cached(
            "INSERT OR REPLACE INTO key_holder(distribution, account, device, registration_id)
             SELECT distribution, ?2, ?3, ?4 FROM distribution WHERE distribution = ?1",
        )?;
        for holder in holders {
            let DeviceAddress { account, device } = holder.device;
            statement.execute((distribution, account.as_bytes(), device.get(), holder.registration_id))?;
        }
        Ok(())
    }

    pub fn key_holders(&self, distribution: &[u8; 16]) -> Result<Vec<KeyHolder>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT account, device, registration_id FROM key_holder WHERE distribution = ?1 ORDER BY account, device",
        )?;
        let rows = statement.query_map([distribution], |row| {
            Ok((AccountId::from_bytes(row.get(0)?), row.get::<_, u32>(1)?, row.get(2)?))
        })?;
        rows.map(|row| {
            let (account, device, registration_id) = row?;
            let device = device.try_into().map_err(|_| StoreError::Damaged("a key holder's device".into()))?;
            Ok(KeyHolder { device: DeviceAddress::new(account, device), registration_id })
        })
        .collect()
    }

    /// The device lost it, or says so: it gets it again.
    pub fn delete_key_holder(&self, distribution: &[u8; 16], device: DeviceAddress) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM key_holder WHERE distribution = ?1 AND account = ?2 AND device = ?3")?
            .execute((distribution, device.account.as_bytes(), device.device.get()))?;
        Ok(())
    }

    pub fn delete_key_holders(&self, distribution: &[u8; 16]) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM key_holder WHERE distribution = ?1")?.execute([distribution])?;
        Ok(())
    }
}
