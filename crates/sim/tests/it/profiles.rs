//! Name, about and picture: contacts see what they may, also on new devices, and whatever was lost on the way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sotto_engine::{
    Audience, Command, ContactView, ErrorKind, Event, PictureView, PrivacyChanges, PrivacyRule, ProfileChanges,
    ProfileView, Reply, Who,
};
use sotto_sim::{Device, Sim};
use sotto_types::AccountId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;

fn jpeg(bytes: usize) -> String {
    let mut picture = vec![0xff, 0xd8, 0xff, 0xe0];
    picture.resize(bytes, 7);
    BASE64.encode(picture)
}

fn set(sim: &mut Sim, device: Device, name: &str, about: &str) -> ProfileView {
    let changes =
        ProfileChanges { display_name: Some(name.into()), about: Some(about.into()), picture: Some(jpeg(48 * 1024)) };
    own(sim.ask(device, Command::SetProfile { changes }))
}

fn own(reply: Result<Reply, sotto_engine::CommandError>) -> ProfileView {
    match reply {
        Ok(Reply::Profile { profile }) => profile,
        other => panic!("no profile: {other:?}"),
    }
}

fn contact(sim: &mut Sim, device: Device, account: AccountId) -> ContactView {
    match sim.ask(device, Command::Contact { who: Who::Account(account) }) {
        Ok(Reply::Contact { contact }) => contact,
        other => panic!("no contact: {other:?}"),
    }
}

fn picture(sim: &mut Sim, device: Device, account: AccountId) -> Option<PictureView> {
    match sim.ask(device, Command::Picture { account }) {
        Ok(Reply::Picture { picture }) => picture,
        other => panic!("no picture: {other:?}"),
    }
}

fn name_and_about(sim: &mut Sim, device: Device, account: AccountId) -> (Option<String>, Option<String>, bool) {
    let contact = contact(sim, device, account);
    let has_picture = picture(sim, device, account).is_some();
    assert_eq!(contact.picture.is_some(), has_picture);
    (contact.display_name, contact.about, has_picture)
}

fn seen(name: &str, about: &str) -> (Option<String>, Option<String>, bool) {
    (Some(name.into()), Some(about.into()), true)
}

const NOTHING: (Option<String>, Option<String>, bool) = (None, None, false);

fn hello(sim: &mut Sim, from: Device, to: &str) {
    sim.send(from, to, "hello");
    sim.run();
}

#[test]
fn contacts_see_a_profile_and_strangers_do_not() {
    let mut sim = Sim::with_requests(840);
    let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    let shown = set(&mut sim, ann, " Ann Example ", "At sea");
    assert_eq!(shown.display_name.as_deref(), Some("Ann Example"), "at once, without spaces around it");
    sim.run();
    hello(&mut sim, ann, "bob");
    assert_eq!(name_and_about(&mut sim, bob, ann_id), seen("Ann Example", "At sea"), "who writes first shows it");
    assert_eq!(picture(&mut sim, bob, ann_id).expect("there").data, jpeg(48 * 1024));
    assert_eq!(picture(&mut sim, bob, ann_id), picture(&mut sim, ann, ann_id));
    set(&mut sim, bob, "Bob", "On land");
    sim.run();
    assert_eq!(name_and_about(&mut sim, ann, bob_id), NOTHING, "bob has not accepted her");
    sim.ask(bob, Command::AcceptRequest { who: Who::Account(ann_id) }).expect("she is known");
    sim.run();
    assert_eq!(name_and_about(&mut sim, ann, bob_id), seen("Bob", "On land"));
    hello(&mut sim, cleo, "ann");
    assert_eq!(name_and_about(&mut sim, cleo, ann_id), NOTHING);
    // A change reaches who has seen the first one; what is not named stays, an empty text takes it away.
    let changes = ProfileChanges { about: Some(String::new()), ..ProfileChanges::default() };
    sim.ask(ann, Command::SetProfile { changes }).expect("it can be changed");
    sim.run();
    assert_eq!(name_and_about(&mut sim, bob, ann_id), (Some("Ann Example".into()), None, true));
    assert!(sim.events(bob).iter().any(|event| matches!(event, Event::ContactChanged { .. })));
}

#[test]
fn every_device_has_the_profiles_and_new_ones_too() {
    let mut sim = Sim::with_requests(841);
    let (ann, bob) = (sim.register("ann"), sim.register("bob"));
    let second = sim.link(bob);
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    hello(&mut sim, ann, "bob");
    hello(&mut sim, bob, "ann");
    // Without a network, and a crash before it is back.
    sim.set_network(ann, false);
    set(&mut sim, ann, "Ann", "At sea");
    sim.crash(ann);
    sim.start(ann);
    assert_eq!(own(sim.ask(ann, Command::Profile)).about.as_deref(), Some("At sea"));
    sim.run();
    assert_eq!(name_and_about(&mut sim, bob, ann_id), NOTHING);
    sim.set_network(ann, true);
    sim.run();
    let third = sim.link(bob);
    let other_ann = sim.link(ann);
    sim.run();
    for device in [bob, second, third] {
        assert_eq!(name_and_about(&mut sim, device, ann_id), seen("Ann", "At sea"));
    }
    assert_eq!(own(sim.ask(other_ann, Command::Profile)), own(sim.ask(ann, Command::Profile)));
    // Two devices of one person change different parts at once.
    let about = ProfileChanges { about: Some("Ashore".into()), ..ProfileChanges::default() };
    let name = ProfileChanges { display_name: Some("Annie".into()), ..ProfileChanges::default() };
    for device in [ann, other_ann] {
        sim.set_network(device, false);
    }
    sim.ask(ann, Command::SetProfile { changes: about }).expect("it can be changed");
    sim.ask(other_ann, Command::SetProfile { changes: name }).expect("it can be changed");
    for device in [ann, other_ann] {
        sim.set_network(device, true);
    }
    sim.run();
    for device in [bob, second, third] {
        assert_eq!(name_and_about(&mut sim, device, ann_id), seen("Annie", "Ashore"));
    }
    for device in [ann, other_ann] {
        let profile = own(sim.ask(device, Command::Profile));
        assert_eq!((profile.display_name.as_deref(), profile.about.as_deref()), (Some("Annie"), Some("Ashore")));
    }
    assert_eq!(name_and_about(&mut sim, ann, bob_id), NOTHING, "bob has none");
}

#[test]
fn who_may_not_see_a_part_does_not_see_it_from_then_on() {
    let mut sim = Sim::with_requests(842);
    let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
    let (ann_id, bob_id) = (sim.account(ann), sim.account(bob));
    for name in ["bob", "cleo"] {
        hello(&mut sim, ann, name);
    }
    set(&mut sim, ann, "Ann", "At sea");
    sim.run();
    for device in [bob, cleo] {
        assert_eq!(name_and_about(&mut sim, device, ann_id), seen("Ann", "At sea"));
    }
    let all_but_bob = PrivacyRule { audience: Audience::Everyone, except: vec![bob_id] };
    let nobody = PrivacyRule { audience: Audience::Nobody, except: Vec::new() };
    let changes = PrivacyChanges { about: Some(all_but_bob), picture: Some(nobody), ..PrivacyChanges::default() };
    sim.ask(ann, Command::SetPrivacy { changes }).expect("the server is there");
    sim.run();
    assert_eq!(name_and_about(&mut sim, bob, ann_id), (Some("Ann".into()), None, false));
    assert_eq!(name_and_about(&mut sim, cleo, ann_id), (Some("Ann".into()), Some("At sea".into()), false));
    assert!(picture(&mut sim, ann, ann_id).is_some(), "she sees her own");
}

#[test]
fn what_is_no_profile_is_refused() {
    let mut sim = Sim::new(843);
    let ann = sim.register("ann");
    for (changes, says) in [
        (ProfileChanges { display_name: Some("x".repeat(65)), ..ProfileChanges::default() }, "64 characters"),
        (ProfileChanges { about: Some("two\nlines".into()), ..ProfileChanges::default() }, "one line"),
        (ProfileChanges { picture: Some("not base64!".into()), ..ProfileChanges::default() }, "base64"),
        (ProfileChanges { picture: Some(BASE64.encode(b"GIF89a")), ..ProfileChanges::default() }, "JPEG, PNG or WebP"),
        (ProfileChanges { picture: Some(jpeg(48 * 1024 + 1)), ..ProfileChanges::default() }, "48 KiB"),
    ] {
        let error = sim.ask(ann, Command::SetProfile { changes }).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.text.contains(says), "{}", error.text);
    }
    assert_eq!(own(sim.ask(ann, Command::Profile)), ProfileView::default());
}
