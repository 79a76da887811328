//! Contacts, privacy, profiles: what strangers, contacts and blocked people are told, and what they cannot find out.

use crate::acking::{ack_all, delivered, read, receipts};
use crate::bed::*;
use crate::groups::{Circle, adding, creating, made, posting, seen};
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_crypto::group::{Change, Fanout, Invite, InviteSeed, prove_join};
use sotto_domain::*;
use sotto_ports::memory::MemoryPresence;
use sotto_ports::{PeopleStore as _, PresenceStore};
use sotto_types::{AccountId, Clock, Conversation, ErrorCode, MessageId, ProfileKeyId, Secret, limits};
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Where strangers wait to be accepted.
async fn strict() -> Bed {
    Bed::with(DomainConfig { requests: true, ..open() }).await
}

async fn accept(bed: &Bed, owner: &Person, other: &Person) {
    bed.domain.set_contact(&seen(owner), other.account, true).await.unwrap();
}

async fn acquaint(bed: &Bed, one: &Person, other: &Person) {
    accept(bed, one, other).await;
    accept(bed, other, one).await;
}

async fn set(bed: &Bed, of: &Person, change: impl FnOnce(&mut Privacy)) {
    let mut privacy = Privacy::clone(&*bed.domain.privacy(&seen(of)).await.unwrap());
    change(&mut privacy);
    bed.domain.set_privacy(&seen(of), privacy).await.unwrap();
}

async fn text(bed: &Bed, from: &Person, to: &Person) -> MessageId {
    bed.send(from.address(0), from.message(0, to)).await.unwrap().message_id
}

/// The reader's device has everything stored, and the person saw it up to here.
async fn see(bed: &Bed, reader: &Person, author: &Person, up_to: MessageId) {
    ack_all(bed, reader.address(0), true).await;
    bed.domain.read(reader.address(0), Conversation::Peer(author.account), up_to).await.unwrap();
}

/// What a person's first device is told, once.
async fn told(bed: &Bed, of: &Person) -> (Vec<MessageId>, Vec<MessageId>) {
    let waiting = receipts(bed, of.address(0)).await;
    ack_all(bed, of.address(0), true).await;
    let ids = |steps: Vec<(AccountId, MessageId)>| steps.into_iter().map(|(_, id)| id).collect();
    (ids(delivered(&waiting)), ids(read(&waiting)))
}

const NOTHING: (Vec<MessageId>, Vec<MessageId>) = (Vec::new(), Vec::new());

#[tokio::test]
async fn strangers_get_no_ticks_until_they_are_accepted() {
    let bed = strict().await;
    let (ann, mut bob) = (bed.register("ann").await, bed.register("bob").await);
    bed.link(&mut bob).await;
    // Who writes first has accepted the other; nothing follows from that for the other side.
    accept(&bed, &ann, &bob).await;
    let first = text(&bed, &ann, &bob).await;
    let second = text(&bed, &ann, &bob).await;
    see(&bed, &bob, &ann, first).await;
    assert_eq!(told(&bed, &ann).await, NOTHING);
    let sibling = receipts(&bed, bob.address(1)).await;
    assert_eq!(read(&sibling), [(bob.account, first)], "the reader's own devices agree");

    accept(&bed, &bob, &ann).await;
    assert_eq!(told(&bed, &ann).await, (vec![second], vec![first]), "what was so far is told now");
    accept(&bed, &bob, &ann).await;
    assert_eq!(told(&bed, &ann).await, NOTHING, "once");
    let third = text(&bed, &ann, &bob).await;
    see(&bed, &bob, &ann, third).await;
    assert_eq!(told(&bed, &ann).await, (vec![third], vec![third]));

    bed.domain.set_contact(&seen(&bob), ann.account, false).await.unwrap();
    let fourth = text(&bed, &ann, &bob).await;
    see(&bed, &bob, &ann, fourth).await;
    assert_eq!(told(&bed, &ann).await, NOTHING);
}

#[tokio::test]
async fn a_failure_is_told_to_strangers_too() {
    let bed = strict().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let lost = text(&bed, &ann, &bob).await;
    bed.clock.advance(31 * DAY);
    bed.domain.seen(ann.address(0)).await;
    bed.domain.sweep().await.unwrap();
    let failures = bed.inbox(ann.address(0)).await;
    assert!(
        matches!(&failures[..], [Queued { item: QueuedItem::Failure(failure), .. }] if failure.message_id == lost),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_contact_who_is_blocked_counts_as_none_until_the_block_ends() {
    let bed = strict().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    acquaint(&bed, &ann, &bob).await;
    let people = bed.domain.people();
    let before = text(&bed, &ann, &bob).await;
    bed.domain.set_block(&seen(&bob), ann.account, true).await.unwrap();
    assert_eq!(bed.domain.contacts(&seen(&bob)).await.unwrap(), [ann.account], "it stays on record");
    see(&bed, &bob, &ann, before).await;
    assert_eq!(told(&bed, &ann).await, NOTHING);
    // Accepting again does not tell either.
    bed.domain.set_contact(&seen(&bob), ann.account, false).await.unwrap();
    accept(&bed, &bob, &ann).await;
    assert_eq!(told(&bed, &ann).await, NOTHING);
    for (viewer, subject) in [(&ann, &bob), (&bob, &ann)] {
        assert!(!people.may_see_online(viewer.account, subject.account).await.unwrap());
        assert!(!people.may_type_to(viewer.account, subject.account).await.unwrap());
    }
    bed.domain.set_block(&seen(&bob), ann.account, false).await.unwrap();
    assert!(people.may_see_online(ann.account, bob.account).await.unwrap());
    let after = text(&bed, &ann, &bob).await;
    see(&bed, &bob, &ann, after).await;
    assert_eq!(told(&bed, &ann).await, (vec![after], vec![after]));
}

#[tokio::test]
async fn the_list_of_contacts_is_the_own_and_bounded() {
    let bed = Bed::with(DomainConfig { requests: true, contacts_max: 2, ..open() }).await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let nobody = Person::new("nobody");
    let who = seen(&ann);
    assert_eq!(code(bed.domain.set_contact(&who, ann.account, true).await), ErrorCode::BadRequest);
    accept(&bed, &ann, &bob).await;
    accept(&bed, &ann, &nobody).await;
    let mut both = vec![bob.account, nobody.account];
    both.sort();
    assert_eq!(bed.domain.contacts(&who).await.unwrap(), both, "whether there is such an account or not");
    assert_eq!(bed.domain.contacts(&seen(&bob)).await.unwrap(), []);
    accept(&bed, &ann, &nobody).await;
    let third = bed.domain.set_contact(&who, Person::new("x").account, true).await;
    assert_eq!(code(third), ErrorCode::TooManyContacts);
    bed.domain.set_contact(&who, nobody.account, false).await.unwrap();
    bed.domain.set_contact(&who, nobody.account, false).await.unwrap();
    assert_eq!(bed.domain.contacts(&who).await.unwrap(), [bob.account]);
}

#[tokio::test]
async fn who_hides_reading_does_not_see_it_of_others() {
    for hides in [Audience::Nobody, Audience::Contacts] {
        let bed = strict().await;
        let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
        acquaint(&bed, &ann, &bob).await;
        set(&bed, &bob, |privacy| privacy.read_receipts = hides).await;
        let to_bob = text(&bed, &ann, &bob).await;
        see(&bed, &bob, &ann, to_bob).await;
        let shown = |id| if hides == Audience::Contacts { vec![id] } else { Vec::new() };
        assert_eq!(told(&bed, &ann).await, (vec![to_bob], shown(to_bob)), "{hides:?}");
        let to_ann = text(&bed, &bob, &ann).await;
        see(&bed, &ann, &bob, to_ann).await;
        assert_eq!(told(&bed, &bob).await, (vec![to_ann], shown(to_ann)), "{hides:?}");
    }
}

#[tokio::test]
async fn what_was_read_in_secret_is_not_told_at_the_acceptance() {
    let bed = strict().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    set(&bed, &bob, |privacy| privacy.read_receipts = Audience::Nobody).await;
    let sent = text(&bed, &ann, &bob).await;
    see(&bed, &bob, &ann, sent).await;
    accept(&bed, &bob, &ann).await;
    assert_eq!(told(&bed, &ann).await, (vec![sent], vec![]));
}

#[tokio::test]
async fn in_groups_hidden_reading_shows_as_delivered() {
    let bed = strict().await;
    let [ann, bob, cleo, dan] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob, &cleo, &dan]).await;
    let said = circle.say(&bed, &ann, b"hello").await;
    for reader in [&ann, &bob, &cleo, &dan] {
        let of = reader.address(0);
        bed.domain.group_ack(of, &[crate::groups::ack(&circle, said, true)]).await.unwrap();
        bed.domain.read(of, Conversation::Group(circle.id), said).await.unwrap();
    }
    bed.domain.write_cursors().await.unwrap();
    set(&bed, &bob, |privacy| privacy.read_receipts = Audience::Nobody).await;
    set(&bed, &cleo, |privacy| privacy.read_receipts = Audience::Contacts).await;
    accept(&bed, &cleo, &dan).await;
    let people = [&ann, &bob, &cleo, &dan];
    // Whom each of them sees as having read.
    for (viewer, sees) in [(0, [0, 3].as_slice()), (1, &[1]), (2, &[2, 3]), (3, &[0, 2, 3])] {
        let marks = bed.domain.group_marks(&seen(people[viewer]), circle.id).await.unwrap();
        assert!(marks.len() == 4 && marks.iter().all(|mark| mark.delivered.is_some()), "{marks:?}");
        let read = |n: &usize| marks.iter().any(|mark| mark.member == people[*n].account && mark.read.is_some());
        let seen: Vec<usize> = (0..4).filter(read).collect();
        assert_eq!(seen, sees, "viewer {viewer}");
    }
    // Who hides nothing, among others who do not, is shown one frame for all.
    let open: Vec<GroupMark> = bed.domain.group_marks(&seen(&ann), circle.id).await.unwrap();
    let open: Vec<GroupMark> = open.into_iter().filter(|mark| mark.member == ann.account).collect();
    let to_show = bed.domain.marks_to_show(&open).await.unwrap();
    assert_eq!(bed.domain.marks_for(dan.account, &to_show).await.unwrap(), None);
    assert!(bed.domain.marks_for(bob.account, &to_show).await.unwrap().is_some());
}

#[tokio::test]
async fn only_who_is_let_adds_somebody_to_a_group() {
    let bed = strict().await;
    let [ann, bob, cleo] = bed.people().await;
    let nobody = Person::new("nobody");
    let create = |members: &[&Person]| posting(&made(&ann, None, &creating(members, Fanout::Log)));
    set(&bed, &bob, |privacy| privacy.group_adds = PrivacyRule::of(Audience::Contacts)).await;
    let refused = bed.post(&ann, None, create(&[&cleo, &bob, &nobody])).await.unwrap_err();
    assert_eq!((refused.code, &refused.accounts[..]), (ErrorCode::GroupAddRefused, &[bob.account, nobody.account][..]));
    let unknown = bed.post(&ann, None, create(&[&nobody])).await.unwrap_err();
    let not_let = bed.post(&ann, None, create(&[&bob])).await.unwrap_err();
    assert_eq!((unknown.code, unknown.detail), (not_let.code, not_let.detail), "one answer for both");

    let mut circle = Circle::new(&bed, &ann, &[&cleo]).await;
    assert_eq!(code(circle.attempt(&bed, &ann, &adding(&[&bob])).await), ErrorCode::GroupAddRefused);
    accept(&bed, &bob, &ann).await;
    bed.domain.set_block(&seen(&bob), ann.account, true).await.unwrap();
    assert_eq!(code(circle.attempt(&bed, &ann, &adding(&[&bob])).await), ErrorCode::GroupAddRefused);
    bed.domain.set_block(&seen(&bob), ann.account, false).await.unwrap();
    let except = vec![ann.account];
    set(&bed, &bob, |privacy| privacy.group_adds.except = except).await;
    assert_eq!(code(circle.attempt(&bed, &ann, &adding(&[&bob])).await), ErrorCode::GroupAddRefused);
    set(&bed, &bob, |privacy| privacy.group_adds.except.clear()).await;
    circle.act(&bed, &ann, adding(&[&bob])).await;
    // Who is in may be given a new key, whatever the settings are by then.
    set(&bed, &bob, |privacy| privacy.group_adds = PrivacyRule::of(Audience::Nobody)).await;
    let mut renewed = bob;
    bed.replace_identity(&mut renewed).await;
    circle.act(&bed, &ann, adding(&[&renewed])).await;
}

#[tokio::test]
async fn who_asked_to_join_is_added_whatever_the_settings_say() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    set(&bed, &bob, |privacy| privacy.group_adds = PrivacyRule::of(Audience::Nobody)).await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let seed = InviteSeed::generate(&mut rand::rng());
    let uses = NonZeroU32::new(5);
    let invite = Invite { public_key: seed.public_key(), expires: None, uses, approval: true };
    circle.act(&bed, &ann, Change::OpenInvite(invite)).await;
    let key = bob.identity.public();
    let proof = prove_join(&seed, circle.id, bob.account, &key);
    circle.act(&bed, &bob, Change::Join { public_key: seed.public_key(), proof }).await;
    circle.act(&bed, &ann, adding(&[&bob])).await;
    assert!(circle.state.member(bob.account).is_some());
}

#[tokio::test]
async fn who_may_see_whom() {
    use Audience::{Contacts, Everyone, Nobody};
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let people = bed.domain.people();
    let sees = async |viewer: &Person, subject: &Person| {
        let (viewer, subject) = (viewer.account, subject.account);
        let online = people.may_see_online(viewer, subject).await.unwrap();
        let last_seen = people.may_see_last_seen(viewer, subject).await.unwrap();
        (online, last_seen, people.may_type_to(viewer, subject).await.unwrap())
    };
    assert_eq!(sees(&ann, &ann).await, (true, true, true));
    assert_eq!(sees(&ann, &bob).await, (false, false, false));
    assert_eq!(sees(&ann, &Person::new("x")).await, (false, false, false));
    accept(&bed, &bob, &ann).await;
    assert_eq!(sees(&ann, &bob).await, (false, false, false), "one who accepts is not enough");
    accept(&bed, &ann, &bob).await;
    for (online, last_seen, want) in [
        (Contacts, Contacts, (true, true, true)),
        (Everyone, Everyone, (true, true, true)),
        (Nobody, Contacts, (false, true, true)),
        (Contacts, Nobody, (true, false, true)),
    ] {
        set(&bed, &bob, |privacy| (privacy.online, privacy.last_seen) = (online, PrivacyRule::of(last_seen))).await;
        assert_eq!(sees(&ann, &bob).await, want, "{online:?} {last_seen:?}");
        assert_eq!(sees(&bob, &ann).await, want, "what one hides one does not see");
    }
    let except = PrivacyRule { audience: Contacts, except: vec![ann.account] };
    set(&bed, &bob, |privacy| privacy.last_seen = except).await;
    assert_eq!(sees(&ann, &bob).await, (true, false, true));
    assert_eq!(sees(&bob, &ann).await, (true, false, true));
}

#[tokio::test]
async fn where_there_are_no_requests_everybody_accepts_everybody() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let people = bed.domain.people();
    assert!(people.may_see_online(ann.account, bob.account).await.unwrap());
    assert!(people.may_see_last_seen(ann.account, bob.account).await.unwrap());
    bed.domain.set_block(&seen(&bob), ann.account, true).await.unwrap();
    assert!(!people.may_type_to(ann.account, bob.account).await.unwrap());
    assert!(!people.may_see_online(bob.account, ann.account).await.unwrap());
}

#[derive(Default)]
struct Eye(Notify);

impl Subscriber for Eye {
    fn look(&self) {
        self.0.notify_one();
    }
}

/// What a viewer is told next.
async fn told_next(eye: &Eye, watcher: &Watcher) -> Vec<(AccountId, bool, bool)> {
    tokio::time::timeout(Duration::from_secs(20), eye.0.notified()).await.expect("a batch");
    watcher.take().into_iter().map(|person| (person.account, person.online, person.hidden)).collect()
}

#[tokio::test]
async fn presence_follows_contacts_and_settings_on_both_sides() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let clock: Arc<dyn Clock> = bed.clock.clone();
    let memory = |feed| Arc::new(MemoryPresence::new(feed)) as Arc<dyn PresenceStore>;
    let presence = Presence::new(memory, bed.store.clone(), bed.domain.people(), clock);
    bed.domain.people().observe(Arc::<Presence>::downgrade(&presence) as Weak<dyn PeopleObserver>);
    let mut running = JoinSet::new();
    let runs = presence.clone();
    running.spawn(async move { runs.run().await });
    for person in [&ann, &bob] {
        presence.here(Lease { of: person.address(0), epoch: 1 }, bed.domain.now());
    }
    let eyes = [Arc::new(Eye::default()), Arc::new(Eye::default())];
    let ann_sees = presence.watcher(ann.account, eyes[0].clone());
    let bob_sees = presence.watcher(bob.account, eyes[1].clone());
    presence.subscribe(&ann_sees, &[bob.account, ann.account]).unwrap().await;
    presence.subscribe(&bob_sees, &[ann.account]).unwrap().await;
    assert_eq!(told_next(&eyes[0], &ann_sees).await, [(ann.account, true, false)], "oneself, but no stranger");
    accept(&bed, &ann, &bob).await;
    accept(&bed, &bob, &ann).await;
    assert_eq!(told_next(&eyes[0], &ann_sees).await, [(bob.account, true, false)]);
    assert_eq!(told_next(&eyes[1], &bob_sees).await, [(ann.account, true, false)]);
    set(&bed, &bob, |privacy| {
        privacy.online = Audience::Nobody;
        privacy.last_seen = PrivacyRule { audience: Audience::Nobody, except: Vec::new() };
    })
    .await;
    assert_eq!(told_next(&eyes[0], &ann_sees).await, [(bob.account, false, true)]);
    assert_eq!(told_next(&eyes[1], &bob_sees).await, [(ann.account, false, true)], "who hides does not see");
    bed.domain.delete_account(&seen(&ann)).await.unwrap();
    presence.leave(&ann_sees);
    presence.leave(&bob_sees);
    assert_eq!(presence.subscription_count(), 0);
}

#[derive(Default)]
struct Heard(Mutex<Vec<(AccountId, Option<AccountId>)>>);

impl PeopleObserver for Heard {
    fn visibility_changed(&self, subject: AccountId, viewer: Option<AccountId>) {
        self.0.lock().push((subject, viewer));
    }
}

#[tokio::test]
async fn observers_hear_of_every_change_after_it_is_stored() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let heard = Arc::new(Heard::default());
    bed.domain.people().observe(Arc::<Heard>::downgrade(&heard) as Weak<dyn PeopleObserver>);
    let take = || std::mem::take(&mut *heard.0.lock());
    let pair = [(ann.account, Some(bob.account)), (bob.account, Some(ann.account))];
    accept(&bed, &ann, &bob).await;
    assert_eq!(take(), pair);
    accept(&bed, &ann, &bob).await;
    assert_eq!(take(), [], "nothing changed");
    bed.domain.set_block(&seen(&ann), bob.account, true).await.unwrap();
    assert_eq!(take(), pair);
    set(&bed, &ann, |privacy| privacy.online = Audience::Nobody).await;
    assert_eq!(take(), [(ann.account, None)]);
    bed.domain.delete_account(&seen(&ann)).await.unwrap();
    assert_eq!(take(), [(ann.account, None)]);
}

#[tokio::test]
async fn of_two_devices_that_change_settings_the_second_is_told() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let who = seen(&ann);
    assert_eq!(*bed.domain.privacy(&who).await.unwrap(), Privacy::default());
    let except = vec![bob.account, ann.account, AccountId::from_bytes([0; 16]), bob.account];
    let about = PrivacyRule { audience: Audience::Everyone, except };
    let wanted = Privacy { about, ..Privacy::default() };
    let first = bed.domain.set_privacy(&who, wanted.clone()).await.unwrap();
    let kept = vec![AccountId::from_bytes([0; 16]), bob.account];
    assert_eq!((first.version, &first.about.except), (1, &kept), "in order, each once, without oneself");
    assert_eq!(bed.domain.set_privacy(&who, wanted).await.unwrap(), first, "the same again");
    let other = Privacy { online: Audience::Nobody, ..Privacy::default() };
    let refused = bed.domain.set_privacy(&who, other.clone()).await;
    assert!(matches!(&refused, Err(PrivacyRefused::Conflict(current)) if *current == first), "{refused:?}");
    let second = bed.domain.set_privacy(&who, Privacy { version: 1, ..other }).await.unwrap();
    assert_eq!((second.version, second.online), (2, Audience::Nobody));
    assert_eq!(bed.domain.privacy(&who).await.unwrap(), second);

    let many = (0..=limits::PRIVACY_EXCEPTIONS).map(|_| AccountId::from_bytes(rand::random())).collect();
    let group_adds = PrivacyRule { audience: Audience::Everyone, except: many };
    for wrong in
        [Privacy { version: 2, group_adds, ..Privacy::default() }, Privacy { version: u32::MAX, ..Privacy::default() }]
    {
        let refused = bed.domain.set_privacy(&who, wrong).await;
        assert!(
            matches!(&refused, Err(PrivacyRefused::Refused(refusal)) if refusal.code == ErrorCode::BadRequest),
            "{refused:?}"
        );
    }
}

const KEY: ProfileKeyId = ProfileKeyId::from_bytes([7; 16]);

fn profile(version: u64, ciphertext: &[u8]) -> Profile {
    Profile { version, key_id: KEY, ciphertext: Bytes::copy_from_slice(ciphertext) }
}

#[tokio::test]
async fn a_profile_is_for_who_names_its_key_and_everything_else_looks_the_same() {
    let bed = strict().await;
    let [ann, bob, cleo] = bed.people().await;
    assert_eq!(code(bed.domain.own_profile(&seen(&ann)).await), ErrorCode::NotFound);
    for of in [&ann, &cleo] {
        bed.domain.put_profile(&seen(of), profile(1, b"sealed")).await.unwrap();
    }
    assert_eq!(bed.domain.profile(&seen(&bob), ann.account, KEY).await.unwrap(), profile(1, b"sealed"));
    assert_eq!(bed.domain.own_profile(&seen(&ann)).await.unwrap(), profile(1, b"sealed"));
    bed.domain.set_block(&seen(&cleo), bob.account, true).await.unwrap();
    let mut answers = Vec::new();
    for (of, key_id) in [
        (bob.account, KEY),
        (Person::new("x").account, KEY),
        (ann.account, ProfileKeyId::from_bytes([8; 16])),
        (cleo.account, KEY),
    ] {
        let refused = bed.domain.profile(&seen(&bob), of, key_id).await.unwrap_err();
        answers.push(format!("{refused:?}"));
    }
    assert!(answers[0].contains("NotFound") && answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn profiles_rise_and_are_bounded() {
    let bed = strict().await;
    let [ann] = bed.people().await;
    let who = seen(&ann);
    let largest = vec![7; limits::PROFILE_BYTES];
    bed.domain.put_profile(&who, profile(5, &largest)).await.unwrap();
    bed.domain.put_profile(&who, profile(5, &largest)).await.expect("the same again");
    let too_large = [&largest[..], b"x"].concat();
    for (given, want) in [
        (profile(5, b"other"), ErrorCode::ProfileConflict),
        (profile(4, &largest), ErrorCode::ProfileConflict),
        (profile(6, b""), ErrorCode::BadRequest),
        (profile(0, b"x"), ErrorCode::BadRequest),
        (profile(1 << 53, b"x"), ErrorCode::BadRequest),
        (profile(6, &too_large), ErrorCode::TooLarge),
    ] {
        assert_eq!(code(bed.domain.put_profile(&who, given).await), want);
    }
    bed.domain.put_profile(&who, profile(6, b"newer")).await.unwrap();
    assert_eq!(bed.domain.own_profile(&who).await.unwrap(), profile(6, b"newer"));
}

#[tokio::test]
async fn a_deleted_account_leaves_no_contacts_settings_or_profile() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    acquaint(&bed, &ann, &bob).await;
    set(&bed, &ann, |privacy| privacy.online = Audience::Nobody).await;
    bed.domain.put_profile(&seen(&ann), profile(1, b"sealed")).await.unwrap();
    bed.domain.delete_account(&seen(&ann)).await.unwrap();
    assert!(bed.store.contacts(ann.account).await.unwrap().is_empty());
    assert_eq!(*bed.store.privacy(ann.account).await.unwrap(), Privacy::default());
    assert_eq!(bed.store.profile(ann.account).await.unwrap(), None);
    assert_eq!(bed.domain.contacts(&seen(&bob)).await.unwrap(), [ann.account], "bob's list is bob's");
}

/// To a stranger it looks the same whether somebody exists, takes messages, has read them, or blocked them.
#[tokio::test]
async fn receipts_tell_a_stranger_nothing() {
    let bed = strict().await;
    let [ann, away, reads, blocks, hidden] = bed.people().await;
    bed.domain.set_block(&seen(&blocks), ann.account, true).await.unwrap();
    set(&bed, &hidden, |privacy| privacy.read_receipts = Audience::Nobody).await;
    for other in [&away, &reads, &blocks, &hidden] {
        let sent = text(&bed, &ann, other).await;
        if other.account != away.account {
            see(&bed, other, &ann, sent).await;
        }
        accept(&bed, &ann, other).await;
        assert_eq!(bed.depth(ann.address(0)).await, 0, "{}", other.name);
    }
    accept(&bed, &ann, &Person::new("nobody")).await;
    assert_eq!(bed.depth(ann.address(0)).await, 0);
}

fn message(text: &str) -> ReportedMessage {
    ReportedMessage { sent_at: START, text: Secret::new(text.to_owned()) }
}

async fn complain(bed: &Bed, by: &Person, about: AccountId, messages: Vec<ReportedMessage>) -> Result<(), Refusal> {
    let comment = Secret::new("rude".to_owned());
    bed.domain.report(&seen(by), about, ReportReason::Abuse, comment, messages).await
}

#[tokio::test]
async fn reports_reach_the_operator_with_names_until_they_are_resolved() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let nobody = Person::new("nobody");
    complain(&bed, &ann, bob.account, vec![message("buy now")]).await.unwrap();
    complain(&bed, &ann, nobody.account, Vec::new()).await.expect("the answer is the same");
    let listed = bed.domain.reports(0, 10).await.unwrap();
    let names = |report: &NamedReport<ReportSummary>| {
        let name = |name: &Option<sotto_types::Username>| name.as_ref().map(ToString::to_string);
        (report.report.id, name(&report.reporter), name(&report.account), report.report.is_resolved)
    };
    let (by, about) = (Some(ann.name.clone()), Some(bob.name.clone()));
    assert_eq!(listed.iter().map(names).collect::<Vec<_>>(), [(1, by.clone(), about, false), (2, by, None, false)]);
    let whole = bed.domain.report_of(1).await.unwrap().report;
    assert_eq!(whole.report.messages, [message("buy now")]);
    bed.domain.resolve_report(1, Secret::new("told off".to_owned())).await.unwrap();
    assert!(bed.domain.reports(0, 10).await.unwrap()[0].report.is_resolved);
    assert_eq!(code(bed.domain.report_of(9).await), ErrorCode::NotFound);
    assert_eq!(code(bed.domain.resolve_report(9, Secret::new(String::new())).await), ErrorCode::NotFound);
    let long = Secret::new("x".repeat(limits::REPORT_COMMENT_CHARS + 1));
    assert_eq!(code(bed.domain.resolve_report(1, long).await), ErrorCode::BadRequest);
}

#[tokio::test]
async fn reports_are_bounded_and_ten_a_day() {
    let bed = strict().await;
    let [ann, bob] = bed.people().await;
    let largest = message(&"x".repeat(limits::REPORT_TEXT_BYTES));
    let larger = message(&"x".repeat(limits::REPORT_TEXT_BYTES + 1));
    assert_eq!(code(complain(&bed, &ann, ann.account, Vec::new()).await), ErrorCode::BadRequest);
    assert_eq!(code(complain(&bed, &ann, bob.account, vec![larger]).await), ErrorCode::TooLarge);
    let many = vec![largest.clone(); limits::REPORT_MESSAGES + 1];
    assert_eq!(code(complain(&bed, &ann, bob.account, many).await), ErrorCode::BadRequest);
    let long = Secret::new("é".repeat(limits::REPORT_COMMENT_CHARS + 1));
    let refused = bed.domain.report(&seen(&ann), bob.account, ReportReason::Spam, long, Vec::new()).await;
    assert_eq!(code(refused), ErrorCode::BadRequest);
    for _ in 0..10 {
        complain(&bed, &ann, bob.account, vec![largest.clone(); limits::REPORT_MESSAGES]).await.unwrap();
    }
    let refused = complain(&bed, &ann, bob.account, Vec::new()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.retry_after.unwrap() > DAY / 11, "{refused:?}");
    complain(&bed, &bob, ann.account, Vec::new()).await.expect("others may");
    bed.clock.advance(DAY / 10);
    complain(&bed, &ann, bob.account, Vec::new()).await.unwrap();
    assert_eq!(code(complain(&bed, &ann, bob.account, Vec::new()).await), ErrorCode::RateLimited);
}
