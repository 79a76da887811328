use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Why bytes or text are not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id of {expected} bytes was expected, got {got}")]
    Length { expected: usize, got: usize },
    #[error("a device id is 1 to 127, got {0}")]
    DeviceId(u32),
    #[error("not a UUID")]
    Uuid,
    #[error("not 64 hex digits")]
    Hex,
    #[error("not 32 hex digits")]
    ShortHex,
    #[error("the id is empty or zero")]
    Zero,
}

/// A person. Random UUID chosen by the client at registration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct AccountId(Uuid);

impl AccountId {
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl TryFrom<&[u8]> for AccountId {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        let array = <[u8; 16]>::try_from(bytes).map_err(|_| IdError::Length { expected: 16, got: bytes.len() })?;
        if array == [0; 16] {
            return Err(IdError::Zero);
        }
        Ok(Self::from_bytes(array))
    }
}

impl std::str::FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let uuid = Uuid::try_parse(text).map_err(|_| IdError::Uuid)?;
        if uuid.is_nil() {
            return Err(IdError::Zero);
        }
        Ok(Self(uuid))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One installation of an account, 1..=127.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "number"))]
pub struct DeviceId(u8);

impl DeviceId {
    pub const FIRST: Self = Self(1);
    pub const MAX: u8 = 127;

    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u32> for DeviceId {
    type Error = IdError;

    fn try_from(value: u32) -> Result<Self, IdError> {
        match u8::try_from(value) {
            Ok(id @ 1..=Self::MAX) => Ok(Self(id)),
            _ => Err(IdError::DeviceId(value)),
        }
    }
}

impl From<DeviceId> for u32 {
    fn from(id: DeviceId) -> u32 {
        u32::from(id.0)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One device of one account: where an envelope goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceAddress {
    pub account: AccountId,
    pub device: DeviceId,
}

impl DeviceAddress {
    pub const fn new(account: AccountId, device: DeviceId) -> Self {
        Self { account, device }
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.account, self.device)
    }
}

impl fmt::Debug for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! rising_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        /// In JSON a decimal string: JavaScript's numbers would round it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
        pub struct $name(u64);

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map(Self).map_err(|_| serde::de::Error::custom("not a decimal id"))
            }
        }

        impl $name {
            pub const ZERO: Self = Self(0);
            pub const MAX: Self = Self(u64::MAX);

            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

rising_id! {
    /// Orders a conversation. Assigned at commit: milliseconds since the Unix epoch shifted left by 20 bits, plus a
    /// counter, so ids of one node are unique and rise. Zero means "none seen yet".
    MessageId
}

rising_id! {
    /// Names one entry in one device's inbox. For an envelope it equals its `MessageId`; receipts and failures draw
    /// from the same sequence.
    EntryId
}

impl MessageId {
    const COUNTER_BITS: u32 = 20;

    /// The lowest id of a millisecond.
    pub const fn at(time_ms: u64) -> Self {
        Self(time_ms << Self::COUNTER_BITS)
    }

    /// The millisecond the id was made for (the server's clock, or up to 60 s ahead of it).
    pub const fn time_ms(self) -> u64 {
        self.0 >> Self::COUNTER_BITS
    }
}

impl From<MessageId> for EntryId {
    fn from(id: MessageId) -> Self {
        Self(id.0)
    }
}

impl EntryId {
    pub const fn time_ms(self) -> u64 {
        MessageId(self.0).time_ms()
    }
}

/// Chosen by the client for each send (UUIDv7). Its clock part is not trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct ClientMsgId(Uuid);

impl ClientMsgId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl TryFrom<&[u8]> for ClientMsgId {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        let array = <[u8; 16]>::try_from(bytes).map_err(|_| IdError::Length { expected: 16, got: bytes.len() })?;
        if array == [0; 16] {
            return Err(IdError::Zero);
        }
        Ok(Self::from_bytes(array))
    }
}

impl std::str::FromStr for ClientMsgId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
    }
}

impl fmt::Display for ClientMsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ClientMsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The name of a send on the server: what makes a retry the same send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SendId {
    pub from: DeviceAddress,
    pub client_msg_id: ClientMsgId,
}

/// Hash of a group's first operation. In text 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub struct GroupId([u8; 32]);

impl GroupId {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for GroupId {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        let array = <[u8; 32]>::try_from(bytes).map_err(|_| IdError::Length { expected: 32, got: bytes.len() })?;
        if array == [0; 32] {
            return Err(IdError::Zero);
        }
        Ok(Self(array))
    }
}

impl std::str::FromStr for GroupId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes: [u8; 32] = from_hex(text).ok_or(IdError::Hex)?;
        Self::try_from(&bytes[..])
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: Option<&u8>| digit.and_then(|digit| char::from(*digit).to_digit(16));
        let (high, low) = digit(pair.first()).zip(digit(pair.last()))?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A conversation as one device sees it. In text the id of the account, or that of the group: a UUID or 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
pub enum Conversation {
    /// With this account; the own account is note-to-self.
    Peer(AccountId),
    Group(GroupId),
}

impl Conversation {
    pub const fn peer(&self) -> Option<AccountId> {
        match self {
            Self::Peer(account) => Some(*account),
            Self::Group(_) => None,
        }
    }

    pub const fn group(&self) -> Option<GroupId> {
        match self {
            Self::Peer(_) => None,
            Self::Group(group) => Some(*group),
        }
    }

    /// 16 bytes of an account, or 32 of a group.
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Peer(account) => account.as_bytes(),
            Self::Group(group) => group.as_bytes(),
        }
    }
}

impl From<AccountId> for Conversation {
    fn from(account: AccountId) -> Self {
        Self::Peer(account)
    }
}

impl From<GroupId> for Conversation {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

impl TryFrom<&[u8]> for Conversation {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        if bytes.len() == 32 {
            GroupId::try_from(bytes).map(Self::Group)
        } else {
            AccountId::try_from(bytes).map(Self::Peer)
        }
    }
}

impl std::str::FromStr for Conversation {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() == 64 { text.parse().map(Self::Group) } else { text.parse().map(Self::Peer) }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(account) => fmt::Display::fmt(account, f),
            Self::Group(group) => fmt::Display::fmt(group, f),
        }
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a profile key without giving it away: who names it has the key. `Debug` prints nothing of it.
#[derive(Clone, Copy, Eq)]
pub struct ProfileKeyId([u8; 16]);

impl ProfileKeyId {
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for ProfileKeyId {
    /// In constant time: it opens a door.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::str::FromStr for ProfileKeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        from_hex(text).map(Self).ok_or(IdError::ShortHex)
    }
}

impl fmt::Display for ProfileKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ProfileKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileKeyId")
    }
}

macro_rules! serde_as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text! { GroupId Conversation ProfileKeyId }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_ids_are_1_to_127() {
        for (value, good) in [(0, false), (1, true), (127, true), (128, false), (u32::MAX, false)] {
            assert_eq!(DeviceId::try_from(value).is_ok(), good, "{value}");
        }
    }

    #[test]
    fn ids_refuse_other_lengths_and_zero() {
        assert_eq!(AccountId::try_from(&[1u8; 15][..]), Err(IdError::Length { expected: 16, got: 15 }));
        assert_eq!(AccountId::try_from(&[0u8; 16][..]), Err(IdError::Zero));
        assert_eq!(ClientMsgId::try_from(&[][..]), Err(IdError::Length { expected: 16, got: 0 }));
    }

    #[test]
    fn conversations_are_text_of_an_account_or_a_group() {
        let account = AccountId::from_bytes([7; 16]);
        let group = GroupId::from_bytes([0xa5; 32]);
        for conversation in [Conversation::Peer(account), Conversation::Group(group)] {
            let json = serde_json::to_string(&conversation).unwrap();
            assert_eq!(json, format!("\"{conversation}\""));
            assert_eq!(serde_json::from_str::<Conversation>(&json).unwrap(), conversation);
            assert_eq!(Conversation::try_from(conversation.as_bytes()), Ok(conversation));
        }
        assert_eq!("a5".repeat(32).parse(), Ok(Conversation::Group(group)));
        for bad in ["", "a5", &"0".repeat(64), &"g5".repeat(32), &"é".repeat(32)] {
            assert!(bad.parse::<Conversation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_profile_key_id_is_text_of_32_hex_digits_and_printed_by_nothing() {
        let id = ProfileKeyId::from_bytes([0x5a; 16]);
        assert_eq!(("5a".repeat(16).parse(), id.to_string()), (Ok(id), "5a".repeat(16)));
        assert_eq!(format!("{id:?}"), "ProfileKeyId");
        for bad in ["", "5a", &"5a".repeat(32), &"g5".repeat(16), &"é".repeat(16)] {
            assert_eq!(bad.parse::<ProfileKeyId>(), Err(IdError::ShortHex), "{bad}");
        }
    }

    #[test]
    fn message_ids_carry_their_millisecond() {
        let id = MessageId::at(1_763_000_000_123);
        assert_eq!(id.time_ms(), 1_763_000_000_123);
        assert_eq!(MessageId::new(id.get() + 5).time_ms(), 1_763_000_000_123);
    }
}
