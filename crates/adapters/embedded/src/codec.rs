//! Reading and writing of records: big-endian numbers, `u32`-length bytes, a leading version byte. Reading never panics:
//! whatever does not fit is `StoreError::Damaged`.

use bytes::Bytes;
use sotto_ports::StoreError;
use sotto_types::{AccountId, Conversation, DeviceAddress, DeviceId, GroupId, Timestamp};

/// The version byte of every record so far.
pub const V1: u8 = 1;

pub fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(record: &'a [u8], what: &'static str) -> Self {
        Self { rest: record, what }
    }

    /// Begins a record of version 1, the only one there is.
    pub fn v1(record: &'a [u8], what: &'static str) -> Result<Self, StoreError> {
        let mut reader = Self::new(record, what);
        if reader.u8()? != V1 {
            return Err(reader.wrong());
        }
        Ok(reader)
    }

    pub fn wrong(&self) -> StoreError {
        damaged(self.what)
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.wrong())?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.take(N)?.try_into().map_err(|_| self.wrong())
    }

    pub fn u8(&mut self) -> Result<u8, StoreError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, StoreError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, StoreError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn flag(&mut self) -> Result<bool, StoreError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.wrong()),
        }
    }

    pub fn time(&mut self) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_ms(self.u64()?))
    }

    pub fn bytes(&mut self) -> Result<Bytes, StoreError> {
        let len = usize::try_from(self.u32()?).map_err(|_| self.wrong())?;
        Ok(Bytes::copy_from_slice(self.take(len)?))
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn account(&mut self) -> Result<AccountId, StoreError> {
        Ok(AccountId::from_bytes(self.array()?))
    }

    pub fn device_id(&mut self) -> Result<DeviceId, StoreError> {
        DeviceId::try_from(u32::from(self.u8()?)).map_err(|_| self.wrong())
    }

    pub fn address(&mut self) -> Result<DeviceAddress, StoreError> {
        Ok(DeviceAddress::new(self.account()?, self.device_id()?))
    }

    pub fn group(&mut self) -> Result<GroupId, StoreError> {
        Ok(GroupId::from_bytes(self.array()?))
    }

    pub fn conversation(&mut self) -> Result<Conversation, StoreError> {
        match self.u8()? {
            1 => Ok(Conversation::Peer(self.account()?)),
            2 => Ok(Conversation::Group(self.group()?)),
            _ => Err(self.wrong()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn end(self) -> Result<(), StoreError> {
        if self.is_empty() { Ok(()) } else { Err(self.wrong()) }
    }
}

/// Appends to a buffer that the caller may reuse.
pub trait Write {
    fn put(&mut self, bytes: &[u8]) -> &mut Self;

    fn u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_be_bytes())
    }

    fn flag(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    fn time(&mut self, value: Timestamp) -> &mut Self {
        self.u64(value.as_ms())
    }

    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u32(u32::try_from(value.len()).expect("stored fields are far below 4 GiB")).put(value)
    }

    fn address(&mut self, value: DeviceAddress) -> &mut Self {
        self.put(value.account.as_bytes()).u8(value.device.get())
    }

    fn conversation(&mut self, value: Conversation) -> &mut Self {
        match value {
            Conversation::Peer(account) => self.u8(1).put(account.as_bytes()),
            Conversation::Group(group) => self.u8(2).put(group.as_bytes()),
        }
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}
