//! Profiles of others: their keys come with a notice, the profile itself from the server.
//! Always true: of each person one request at a time; what cannot be opened is not asked for again until they say that it changed.

use super::{ABOUT_CHARS, NAME_CHARS, PICTURE_BYTES, Step, line, media_type, picture_id};
use crate::api::HttpMethod;
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::kept;
use prost::Message as _;
use sotto_crypto::ProfileKey;
use sotto_engine_store::{Contact, StoreError};
use sotto_types::{AccountId, Conversation, MessageId, Secret};
use sotto_wire::{http as wire, pb};

/// Somebody gave the keys of their profile, or said that there is a newer one.
pub(crate) fn on_notice(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    id: MessageId,
    notice: &pb::ProfileNotice,
) -> Result<(), StoreError> {
    if notice.key.len() != 32 {
        return cx.tx.count("count.dropped", 1).map(drop);
    }
    let about = kept::of_conversation(account.into());
    if cx.tx.offer_fact(&about, kept::PROFILE, &notice.encode_to_vec(), id)? {
        want(cx, account);
    }
    Ok(())
}

/// There is something to fetch, perhaps.
pub(crate) fn want(cx: &mut Cx<'_, '_>, account: AccountId) {
    let profiles = &mut cx.core.profiles;
    if !profiles.wanted.contains(&account) {
        profiles.wanted.push(account);
    }
}

fn notice_of(cx: &Cx<'_, '_>, account: AccountId) -> Result<Option<pb::ProfileNotice>, StoreError> {
    let value = cx.tx.fact(&kept::of_conversation(account.into()), kept::PROFILE)?;
    Ok(value.and_then(|value| pb::ProfileNotice::decode(&value.expose()[..]).ok()))
}

fn part_key(bytes: &[u8]) -> Option<ProfileKey> {
    Some(ProfileKey::from_secret(Secret::new(bytes.try_into().ok()?)))
}

pub(super) fn fetch_next(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if !std::mem::replace(&mut cx.core.profiles.looked, true) {
        for fact in cx.tx.facts_named(kept::PROFILE)? {
            let conversation = fact.about.split_first().filter(|(kind, _)| **kind == b'c');
            let conversation = conversation.and_then(|(_, id)| Conversation::try_from(id).ok());
            if let Some(peer) = conversation.and_then(|conversation| conversation.peer()) {
                want(cx, peer);
            }
        }
    }
    while cx.core.profiles.fetching.is_none() {
        let Some(account) = cx.core.profiles.wanted.pop() else { return Ok(()) };
        let known = cx.tx.contact(account)?.map_or(0, |contact| contact.profile_version);
        let Some(notice) = notice_of(cx, account)?.filter(|notice| notice.version > known) else { continue };
        let Some(key) = part_key(&notice.key) else { continue };
        cx.core.profiles.fetching = Some(account);
        let path = format!("/v1/accounts/{account}/profile?key_id={}", key.key_id());
        let call = Call::own(cx, HttpMethod::Get, path, Then::Profiles(Step::Theirs(account)));
        http::send(cx, call.in_background());
    }
    Ok(())
}

pub(super) fn on_answer(
    cx: &mut Cx<'_, '_>,
    account: AccountId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let Some(notice) = notice_of(cx, account)? else { return Ok(()) };
    let mut contact = cx.tx.contact(account)?.unwrap_or_else(|| Contact::new(account));
    let profile = http::parse::<wire::Profile>(answer).ok().and_then(|stored| {
        let opened = part_key(&notice.key)?.open(&stored.ciphertext.0).ok()?;
        Some((stored.version, pb::Profile::decode(&opened[..]).ok()?))
    });
    let Some((version, profile)) = profile else {
        // Not asked for again until they say that there is a newer one.
        contact.profile_version = notice.version;
        return cx.tx.put_contact(&contact);
    };
    let part = |key: &[u8], sealed: &[u8]| part_key(key)?.open_part(sealed).ok();
    let about = part(&notice.about_key, &profile.about).and_then(|about| String::from_utf8(about).ok());
    let picture = part(&notice.picture_key, &profile.picture)
        .filter(|picture| picture.len() <= PICTURE_BYTES && media_type(picture).is_some());
    contact.display_name = line(&profile.display_name, NAME_CHARS);
    contact.about = about.and_then(|about| line(&about, ABOUT_CHARS));
    contact.picture = picture.as_ref().map(|picture| picture_id(picture));
    contact.profile_version = version.max(notice.version);
    cx.tx.put_contact(&contact)?;
    cx.tx.put_picture(account, picture.as_deref())?;
    cx.contact_changed(account)
}
