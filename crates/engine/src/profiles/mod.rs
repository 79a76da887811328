//! What people show of themselves: name, about, picture. The own profile lies on the server, encrypted; contacts are given its keys.
//! Flow, own: `set` (holds here at once) -> what is to be published -> `drive`: the stored profile, the settings -> changes on
//!       top of it -> PUT -> a fact, so that own devices look again -> `ProfileNotice` to every contact, a few at a time.
//! Flow, theirs: `ProfileNotice` -> kept as a fact under the id of its message, so that all own devices have the newest -> GET -> contact.
//! Always true:
//! - only who was accepted is given keys; who may not see a part is not given its key, and gets a new one when that changes;
//! - what was set is published in the end, whatever answer is lost; what is to be told is told.
//!
//! Elsewhere: forms and keys are `crypto/profile`'s, who may see what is `requests`' (settings) and the server's.

mod theirs;

pub(crate) use theirs::{on_notice, want};

use crate::api::{
    CommandId, ErrorKind, Event, HttpMethod, PictureView, Privacy, PrivacyRule, ProfileChanges, ProfileView, Reply,
};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{kept, outbox};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sotto_crypto::{ProfileKey, ProfilePart};
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, ErrorCode, Secret};
use sotto_wire::{http as wire, pb};

const OWN: &str = "own_profile";
const STALE: &str = "own_profile.stale";
const PUBLISH: &str = "own_profile.publish";
const TELL: &str = "own_profile.tell";
const NAME_CHARS: usize = 64;
const ABOUT_CHARS: usize = 140;
const PICTURE_BYTES: usize = 48 * 1024;
/// Contacts told in one go.
const TELL_AT_ONCE: usize = 16;
const TRIES: u32 = 5;

#[derive(Debug)]
pub(crate) enum Step {
    /// The own one, as the server has it.
    Own,
    Privacy(Base),
    Put(Box<Own>),
    Theirs(AccountId),
}

/// What the server had: changes are made on top of it.
#[derive(Debug)]
pub(crate) struct Base {
    version: u64,
    profile: Content,
    numbers: Numbers,
}

/// Of the keys of parts: a new number is a new key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    about: u32,
    picture: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    display_name: Option<String>,
    about: Option<String>,
    /// Base64.
    picture: Option<String>,
}

/// The own profile as this device knows it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Own {
    /// 0: none is stored.
    version: u64,
    content: Content,
    numbers: Numbers,
    about_rule: Option<PrivacyRule>,
    picture_rule: Option<PrivacyRule>,
}

/// What is still to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Publish {
    changes: ProfileChanges,
    new_about_key: bool,
    new_picture_key: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Profiles {
    busy: bool,
    /// Nothing to do, or refused: nothing more is tried in this life of the engine, unless something changes.
    resting: bool,
    tries: u32,
    /// What is on its way, to see whether there is more by then.
    publishing: Publish,
    /// Settings are on their way to the server: what it says of them may be old.
    held: u32,
    looked: bool,
    wanted: Vec<AccountId>,
    fetching: Option<AccountId>,
}

impl Profiles {
    pub fn forget_requests(&mut self) {
        (self.busy, self.resting, self.tries, self.held) = (false, false, 0, 0);
        self.wanted.extend(self.fetching.take());
    }
}

impl Content {
    fn with(mut self, changes: &ProfileChanges) -> Self {
        let taken = |new: &Option<String>, old: Option<String>| match new {
            None => old,
            Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        };
        self.display_name = taken(&changes.display_name, self.display_name);
        self.about = taken(&changes.about, self.about);
        self.picture = taken(&changes.picture, self.picture);
        self
    }

    fn view(&self) -> ProfileView {
        let picture = self.picture.as_ref().and_then(|picture| BASE64.decode(picture).ok());
        ProfileView {
            display_name: self.display_name.clone(),
            about: self.about.clone(),
            picture: picture.map(|picture| picture_id(&picture)),
        }
    }
}

fn picture_id(picture: &[u8]) -> String {
    crate::profile::hex(&sotto_crypto::picture_id(picture))
}

fn media_type(picture: &[u8]) -> Option<&'static str> {
    match picture {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// A line of somebody else's, as it may be shown.
fn line(text: &str, chars: usize) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(chars).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn own_profile(cx: &Cx<'_, '_>) -> Result<Option<Own>, StoreError> {
    cx.tx.setting_json(OWN)
}

fn to_publish(cx: &Cx<'_, '_>) -> Result<Option<Publish>, StoreError> {
    cx.tx.setting_json(PUBLISH)
}

/// What is shown of oneself: also what is not published yet.
fn own_view(cx: &Cx<'_, '_>) -> Result<ProfileView, StoreError> {
    Ok(own_content(cx)?.view())
}

fn own_content(cx: &Cx<'_, '_>) -> Result<Content, StoreError> {
    let content = own_profile(cx)?.unwrap_or_default().content;
    Ok(content.with(&to_publish(cx)?.unwrap_or_default().changes))
}

pub(crate) fn show(cx: &mut Cx<'_, '_>, command: CommandId) -> Result<(), StoreError> {
    let profile = own_view(cx)?;
    cx.reply(command, Ok(Reply::Profile { profile }));
    Ok(())
}

pub(crate) fn picture(cx: &mut Cx<'_, '_>, command: CommandId, account: AccountId) -> Result<(), StoreError> {
    let picture = match cx.own() {
        Some(own) if own.account() == account => {
            own_content(cx)?.picture.and_then(|picture| BASE64.decode(picture).ok())
        }
        _ => cx.tx.picture(account)?.map(|picture| picture.expose().clone()),
    };
    let picture = picture.and_then(|picture| {
        let media_type = media_type(&picture)?.to_owned();
        Some(PictureView { id: picture_id(&picture), media_type, data: BASE64.encode(&picture) })
    });
    cx.reply(command, Ok(Reply::Picture { picture }));
    Ok(())
}

fn check(changes: &ProfileChanges) -> Result<(), &'static str> {
    let is_long = |text: &Option<String>, chars: usize| {
        text.as_ref().is_some_and(|text| text.chars().count() > chars || text.chars().any(char::is_control))
    };
    if is_long(&changes.display_name, NAME_CHARS) {
        return Err("a name has at most 64 characters, in one line");
    }
    if is_long(&changes.about, ABOUT_CHARS) {
        return Err("about has at most 140 characters, in one line");
    }
    let Some(picture) = changes.picture.as_ref().filter(|picture| !picture.is_empty()) else { return Ok(()) };
    let Ok(picture) = BASE64.decode(picture) else { return Err("a picture is given in base64") };
    if picture.len() > PICTURE_BYTES {
        return Err("a picture has at most 48 KiB: make it smaller, 320 by 320 points are enough");
    }
    media_type(&picture).map(|_| ()).ok_or("a picture is a JPEG, PNG or WebP file")
}

/// Holds here at once.
pub(crate) fn set(cx: &mut Cx<'_, '_>, command: CommandId, mut changes: ProfileChanges) -> Result<(), StoreError> {
    for text in [&mut changes.display_name, &mut changes.about].into_iter().flatten() {
        *text = text.trim().to_owned();
    }
    if let Err(text) = check(&changes) {
        cx.fail(command, ErrorKind::Invalid, text);
        return Ok(());
    }
    let mut publish = to_publish(cx)?.unwrap_or_default();
    let all = &mut publish.changes;
    for (new, old) in [
        (changes.display_name, &mut all.display_name),
        (changes.about, &mut all.about),
        (changes.picture, &mut all.picture),
    ] {
        if new.is_some() {
            *old = new;
        }
    }
    cx.tx.put_setting_json(PUBLISH, &publish)?;
    cx.core.profiles.resting = false;
    let profile = own_view(cx)?;
    cx.event(Event::ProfileChanged { profile });
    show(cx, command)
}

/// Others may see a part from now on, or may not any more: it gets a new key.
pub(crate) fn rules_change(cx: &mut Cx<'_, '_>, about: bool, picture: bool) -> Result<(), StoreError> {
    if !about && !picture {
        return Ok(());
    }
    let mut publish = to_publish(cx)?.unwrap_or_default();
    publish.new_about_key |= about;
    publish.new_picture_key |= picture;
    cx.core.profiles.resting = false;
    cx.tx.put_setting_json(PUBLISH, &publish)
}

/// Nothing is published while the settings change.
pub(crate) fn hold(cx: &mut Cx<'_, '_>, hold: bool) {
    let held = &mut cx.core.profiles.held;
    *held = if hold { held.saturating_add(1) } else { held.saturating_sub(1) };
}

/// Another own device published a profile.
pub(crate) fn look_again(cx: &mut Cx<'_, '_>, version: u64) -> Result<(), StoreError> {
    if own_profile(cx)?.is_none_or(|own| own.version < version) {
        cx.tx.put_setting(STALE, b"1")?;
        cx.core.profiles.resting = false;
    }
    Ok(())
}

/// The own profile, if it is to be published, and contacts that are still to be told of it.
pub(crate) fn untold(cx: &Cx<'_, '_>) -> Result<u32, StoreError> {
    if cx.core.profiles.resting {
        return Ok(0);
    }
    let left = cx.tx.setting_json::<Vec<AccountId>>(TELL)?.map_or(0, |left| left.len());
    Ok(u32::try_from(left).unwrap_or(u32::MAX).saturating_add(u32::from(to_publish(cx)?.is_some())))
}

/// The server may have an older one than this device has seen.
pub(crate) fn after_restore(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    cx.core.profiles.resting = false;
    cx.tx.put_setting(STALE, b"1")
}

/// Somebody is a contact from now on: they may have the keys.
pub(crate) fn tell(cx: &mut Cx<'_, '_>, peer: AccountId) -> Result<(), StoreError> {
    let mut left: Vec<AccountId> = cx.tx.setting_json(TELL)?.unwrap_or_default();
    if !left.contains(&peer) {
        left.push(peer);
        cx.tx.put_setting_json(TELL, &left)?;
        cx.core.profiles.resting = false;
    }
    Ok(())
}

pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.core.link.is_draining() || cx.own().is_none() {
        return Ok(());
    }
    theirs::fetch_next(cx)?;
    if cx.core.profiles.busy || cx.core.profiles.resting || cx.core.profiles.held > 0 {
        return Ok(());
    }
    let own = own_profile(cx)?;
    if own.is_none() || cx.tx.setting(STALE)?.is_some() || to_publish(cx)?.is_some() {
        cx.core.profiles.busy = true;
        let call = Call::own(cx, HttpMethod::Get, "/v1/profile", Then::Profiles(Step::Own));
        http::send(cx, call.in_background());
        return Ok(());
    }
    tell_some(cx, &own.unwrap_or_default())
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match step {
        Step::Own => match http::parse::<wire::Profile>(answer) {
            Ok(stored) => {
                let base = read_own(cx, &stored);
                ask_privacy(cx, base);
                Ok(())
            }
            Err(failure) if failure.code() == Some(ErrorCode::NotFound) => {
                ask_privacy(cx, Base { version: 0, profile: Content::default(), numbers: Numbers::default() });
                Ok(())
            }
            Err(failure) => {
                rest(cx, &failure);
                Ok(())
            }
        },
        Step::Privacy(base) => match http::parse::<wire::Privacy>(answer) {
            Ok(privacy) => on_base(cx, base, &Privacy::from(&privacy)),
            Err(failure) => {
                rest(cx, &failure);
                Ok(())
            }
        },
        Step::Put(own) => match answer {
            Ok(_) => published(cx, *own),
            // Another device was first.
            Err(failure) if failure.code() == Some(ErrorCode::ProfileConflict) && cx.core.profiles.tries < TRIES => {
                cx.core.profiles.tries += 1;
                cx.core.profiles.busy = false;
                Ok(())
            }
            Err(failure) => {
                rest(cx, &failure);
                Ok(())
            }
        },
        Step::Theirs(account) => {
            cx.core.profiles.fetching = None;
            theirs::on_answer(cx, account, answer)
        }
    }
}

fn rest(cx: &mut Cx<'_, '_>, failure: &Failure) {
    tracing::warn!(?failure, "profile");
    (cx.core.profiles.busy, cx.core.profiles.resting) = (false, true);
}

fn ask_privacy(cx: &mut Cx<'_, '_>, base: Base) {
    let call = Call::own(cx, HttpMethod::Get, "/v1/privacy", Then::Profiles(Step::Privacy(base)));
    http::send(cx, call.in_background());
}

fn key(cx: &Cx<'_, '_>, part: ProfilePart, number: u32) -> ProfileKey {
    let master = cx.own().map_or_else(|| Secret::new([0; 32]), |own| own.profile_key);
    ProfileKey::of_owner(&master, part, number)
}

/// What cannot be read, as after a damage, is replaced by what this device knows.
fn read_own(cx: &Cx<'_, '_>, stored: &wire::Profile) -> Base {
    let version = stored.version;
    let opened = key(cx, ProfilePart::Name, 0).open(&stored.ciphertext.0).ok();
    let Some(profile) = opened.and_then(|profile| pb::Profile::decode(&profile[..]).ok()) else {
        tracing::warn!("the stored profile cannot be read");
        return Base { version, profile: Content::default(), numbers: Numbers::default() };
    };
    let numbers = Numbers { about: profile.about_key, picture: profile.picture_key };
    let part = |part: ProfilePart, number: u32, sealed: &[u8]| {
        (!sealed.is_empty()).then(|| key(cx, part, number).open_part(sealed).ok()).flatten()
    };
    let about = part(ProfilePart::About, numbers.about, &profile.about);
    let picture = part(ProfilePart::Picture, numbers.picture, &profile.picture);
    let content = Content {
        display_name: Some(profile.display_name).filter(|name| !name.is_empty()),
        about: about.and_then(|about| String::from_utf8(about).ok()),
        picture: picture.map(|picture| BASE64.encode(picture)),
    };
    Base { version, profile: content, numbers }
}

fn on_base(cx: &mut Cx<'_, '_>, base: Base, privacy: &Privacy) -> Result<(), StoreError> {
    let Base { version, profile, numbers } = base;
    // The server was restored from a backup: it gets back what this device has seen of it.
    let (profile, numbers, lost) = match own_profile(cx)? {
        Some(known) if known.version > version => (known.content, known.numbers, known.version),
        _ => (profile, numbers, 0),
    };
    let mut own = Own {
        version,
        content: profile,
        numbers,
        about_rule: Some(privacy.about.clone()),
        picture_rule: Some(privacy.picture.clone()),
    };
    let publish = to_publish(cx)?;
    if publish.is_none() && lost == 0 {
        cx.core.profiles.busy = false;
        return keep_own(cx, &own);
    }
    let publish = publish.unwrap_or_default();
    own.version = version.max(lost) + 1;
    own.content = own.content.with(&publish.changes);
    own.numbers.about += u32::from(publish.new_about_key);
    own.numbers.picture += u32::from(publish.new_picture_key);
    let body = seal(cx, &own);
    cx.core.profiles.publishing = publish;
    let call = Call::own(cx, HttpMethod::Put, "/v1/profile", Then::Profiles(Step::Put(Box::new(own))));
    http::send(cx, call.json(&body).in_background());
    Ok(())
}

fn seal(cx: &mut Cx<'_, '_>, own: &Own) -> wire::Profile {
    let name = key(cx, ProfilePart::Name, 0);
    let about = key(cx, ProfilePart::About, own.numbers.about);
    let picture = key(cx, ProfilePart::Picture, own.numbers.picture);
    let rng = &mut cx.core.rng;
    let mut part = |key: &ProfileKey, plain: Option<Vec<u8>>| -> Bytes {
        plain.map(|plain| Bytes::from(key.seal_part(&plain, rng))).unwrap_or_default()
    };
    let content = &own.content;
    let profile = pb::Profile {
        display_name: content.display_name.clone().unwrap_or_default(),
        about: part(&about, content.about.clone().map(String::into_bytes)),
        picture: part(&picture, content.picture.as_ref().and_then(|picture| BASE64.decode(picture).ok())),
        about_key: own.numbers.about,
        picture_key: own.numbers.picture,
    };
    let ciphertext = name.seal(&profile.encode_to_vec(), rng).expect("a checked profile fits");
    wire::Profile { version: own.version, key_id: name.key_id().to_string(), ciphertext: wire::Base64(ciphertext) }
}

fn keep_own(cx: &mut Cx<'_, '_>, own: &Own) -> Result<(), StoreError> {
    let before = own_view(cx)?;
    cx.tx.put_setting_json(OWN, own)?;
    cx.tx.delete_setting(STALE)?;
    let profile = own_view(cx)?;
    if profile != before {
        cx.event(Event::ProfileChanged { profile });
    }
    Ok(())
}

fn published(cx: &mut Cx<'_, '_>, own: Own) -> Result<(), StoreError> {
    (cx.core.profiles.busy, cx.core.profiles.tries) = (false, 0);
    let sent = std::mem::take(&mut cx.core.profiles.publishing);
    if to_publish(cx)?.is_some_and(|now| now == sent) {
        cx.tx.delete_setting(PUBLISH)?;
    }
    keep_own(cx, &own)?;
    cx.tx.put_setting_json(TELL, &cx.tx.accepted_peers()?)?;
    kept::set(cx, kept::ACCOUNT, kept::PROFILE, &kept::number(own.version))
}

fn tell_some(cx: &mut Cx<'_, '_>, own: &Own) -> Result<(), StoreError> {
    let Some(mut left) = cx.tx.setting_json::<Vec<AccountId>>(TELL)? else {
        cx.core.profiles.resting = true;
        return Ok(());
    };
    let me = cx.own().map(|own| own.account());
    let now = if own.version == 0 { Vec::new() } else { left.split_off(left.len().saturating_sub(TELL_AT_ONCE)) };
    for peer in now {
        let is_blocked = cx.tx.contact(peer)?.is_some_and(|contact| contact.blocked);
        if Some(peer) == me || is_blocked || !cx.tx.is_accepted(peer.into())? {
            continue;
        }
        let part = |rule: Option<&PrivacyRule>, part: ProfilePart, number: u32| match rule {
            Some(rule) if rule.admits_contact(peer) => Bytes::copy_from_slice(key(cx, part, number).secret().expose()),
            _ => Bytes::new(),
        };
        let notice = pb::ProfileNotice {
            key: Bytes::copy_from_slice(key(cx, ProfilePart::Name, 0).secret().expose()),
            about_key: part(own.about_rule.as_ref(), ProfilePart::About, own.numbers.about),
            picture_key: part(own.picture_rule.as_ref(), ProfilePart::Picture, own.numbers.picture),
            version: own.version,
        };
        outbox::enqueue_control(cx, peer, Vec::new(), pb::content::Body::Profile(notice), true)?;
    }
    // Nobody has a profile to show: nobody is told later either.
    if left.is_empty() || own.version == 0 { cx.tx.delete_setting(TELL) } else { cx.tx.put_setting_json(TELL, &left) }
}
