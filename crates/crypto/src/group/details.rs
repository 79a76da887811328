//! A group's title, picture and description: encrypted beside the list under a fresh random key for each change, so that who was
//! removed reads no later ones. The list has the hash of the encrypted form, and the keys travel between members.
//! Form: `secretbox` over the padded `GroupDetails`, so that the length says little about the title.

use crate::padding;
use crate::secretbox::{self, OpenError};
use bytes::Bytes;
use prost::Message;
use rand::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use sotto_types::Secret;
use sotto_types::limits::{GROUP_DETAILS_BYTES, GROUP_PICTURE_BYTES};
use sotto_wire::pb;

const PURPOSE: &[u8] = b"sotto group details v1";
const TITLE_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 2048;

/// How a picture is encoded. What it really is, its decoder finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureType {
    Webp,
    Jpeg,
    Png,
}

impl PictureType {
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    pub fn from_mime(mime: &str) -> Option<Self> {
        [Self::Webp, Self::Jpeg, Self::Png].into_iter().find(|kind| kind.mime() == mime)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDetails {
    /// 1 to 100 characters, none of them for control; spaces around it are cut when it is sealed.
    pub title: String,
    /// At most 2,048 characters, of those for control only the end of a line and the tab.
    pub description: String,
    /// At most 48 KiB, not empty.
    pub picture: Option<(PictureType, Bytes)>,
}

/// Why details are not sealed, or not shown. The texts are for the person who wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupDetailsError {
    #[error("a group's title has 1 to {TITLE_CHARS_MAX} characters")]
    Title,
    #[error("a group's description has at most {DESCRIPTION_CHARS_MAX} characters")]
    Description,
    #[error("a group's picture is a WebP, JPEG or PNG of at most {} KiB", GROUP_PICTURE_BYTES / 1024)]
    Picture,
    /// Ask another member for the key.
    #[error("this key does not open the group's details")]
    OtherKey,
    #[error("the group's details were made by a newer version ({0})")]
    Newer(u8),
    #[error("the group's details are damaged")]
    Damaged,
}

/// Encrypts details for the members. The key is to be a fresh random one for each change.
pub fn seal_details<R: CryptoRng + Rng>(
    key: &Secret<[u8; 32]>,
    details: &GroupDetails,
    rng: &mut R,
) -> Result<Vec<u8>, GroupDetailsError> {
    let details = GroupDetails { title: details.title.trim().to_owned(), ..details.clone() };
    check(&details)?;
    let (kind, picture) = details.picture.map_or(("", Bytes::new()), |(kind, picture)| (kind.mime(), picture));
    let encoded = pb::GroupDetails {
        title: details.title,
        description: details.description,
        picture,
        picture_type: kind.to_owned(),
    }
    .encode_to_vec();
    Ok(secretbox::seal(key, PURPOSE, &padding::pad(encoded), rng))
}

/// Decrypts and checks them. The caller has compared `details_hash(sealed)` with the state's: this does not.
pub fn open_details(key: &Secret<[u8; 32]>, sealed: &[u8]) -> Result<GroupDetails, GroupDetailsError> {
    if sealed.len() > GROUP_DETAILS_BYTES {
        return Err(GroupDetailsError::Damaged);
    }
    let padded = secretbox::open(key, PURPOSE, sealed).map_err(|error| match error {
        OpenError::Refused => GroupDetailsError::OtherKey,
        OpenError::Version(version) => GroupDetailsError::Newer(version),
        OpenError::Malformed => GroupDetailsError::Damaged,
    })?;
    let encoded = padding::unpad(padded.expose()).map_err(|_| GroupDetailsError::Damaged)?;
    let details = pb::GroupDetails::decode(encoded).map_err(|_| GroupDetailsError::Damaged)?;
    let picture = match (details.picture_type.as_str(), details.picture) {
        ("", picture) if picture.is_empty() => None,
        (kind, picture) => Some((PictureType::from_mime(kind).ok_or(GroupDetailsError::Picture)?, picture)),
    };
    let details = GroupDetails { title: details.title, description: details.description, picture };
    check(&details)?;
    Ok(details)
}

/// What the list says about the details.
pub fn details_hash(sealed: &[u8]) -> [u8; 32] {
    Sha256::digest(sealed).into()
}

fn check(details: &GroupDetails) -> Result<(), GroupDetailsError> {
    let GroupDetails { title, description, picture } = details;
    let title_chars = title.chars().count();
    if !(1..=TITLE_CHARS_MAX).contains(&title_chars) || title.trim() != title || title.chars().any(char::is_control) {
        return Err(GroupDetailsError::Title);
    }
    let printable = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    if description.chars().count() > DESCRIPTION_CHARS_MAX || !description.chars().all(printable) {
        return Err(GroupDetailsError::Description);
    }
    if picture.as_ref().is_some_and(|(_, bytes)| !(1..=GROUP_PICTURE_BYTES).contains(&bytes.len())) {
        return Err(GroupDetailsError::Picture);
    }
    Ok(())
}

// The largest details, padded and sealed, fit the limit of their encrypted form.
const _: () = assert!(
    4 * (TITLE_CHARS_MAX + DESCRIPTION_CHARS_MAX) + GROUP_PICTURE_BYTES + 512 + 64 + secretbox::OVERHEAD_BYTES
        <= GROUP_DETAILS_BYTES
);
