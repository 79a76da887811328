//! The ways into a group beside being added: links, with and without approval, and what of them does not work any more.

use sotto_engine::{Command, ErrorKind, GroupChange, GroupInvitation, GroupStanding, MessageBody, Reply};
use sotto_engine::{GroupChangeView, GroupView};
use sotto_sim::scenes::{change, create, named, say, view};
use sotto_sim::{Device, Sim};
use sotto_types::GroupId;
#[cfg(target_arch = "wasm32")]
use sotto_wasm_test::test;
use std::time::Duration;

const OPEN: GroupChange = GroupChange::OpenInvite { expires_ms: 0, uses: 0, approval: false };
const ASK: GroupChange = GroupChange::OpenInvite { expires_ms: 0, uses: 0, approval: true };

fn link(view: &GroupView) -> String {
    view.invites.last().and_then(|invite| invite.link.clone()).expect("made on this device")
}

fn invitation(sim: &mut Sim, by: Device, command: Command) -> GroupInvitation {
    let reply = sim.ask(by, command);
    let Ok(Reply::GroupInvitation { invitation }) = reply else { panic!("no invitation: {reply:?}") };
    sim.run();
    *invitation
}

fn look(sim: &mut Sim, by: Device, link: &str) -> GroupInvitation {
    invitation(sim, by, Command::LookAtInvite { link: link.into() })
}

fn join(sim: &mut Sim, by: Device, link: &str) -> GroupInvitation {
    invitation(sim, by, Command::JoinGroup { link: link.into() })
}

fn refused(sim: &mut Sim, by: Device, link: &str) -> String {
    let error = sim.ask(by, Command::JoinGroup { link: link.into() }).expect_err("the door is shut");
    assert!(matches!(error.kind, ErrorKind::Refused | ErrorKind::Invalid), "{error:?}");
    error.text
}

#[test]
fn a_link_shows_the_group_and_lets_in() {
    let mut sim = Sim::new(41);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "doors", &["bob"]);
    say(&mut sim, ann, group, "before");
    sim.run();
    let link = link(&change(&mut sim, ann, group, OPEN));
    assert!(link.contains("/#/g/"), "{link}");

    let shown = look(&mut sim, cem, &link);
    assert_eq!((shown.group, shown.title.as_deref(), shown.members), (group, Some("doors"), 2));
    assert_eq!((shown.approval, shown.standing), (false, GroupStanding::Stranger));
    // Who only looked leaves no trace, there or here.
    assert_eq!(view(&mut sim, ann, group).members.len(), 2);
    assert_eq!(sim.ask(cem, Command::Group { group }).expect_err("not known").kind, ErrorKind::NotFound);

    assert_eq!(join(&mut sim, cem, &link).standing, GroupStanding::Member);
    assert_eq!(view(&mut sim, cem, group).title.as_deref(), Some("doors"));
    say(&mut sim, bob, group, "welcome");
    sim.run();
    say(&mut sim, cem, group, "hello");
    sim.run();
    assert_eq!(sim.texts(cem, group), ["welcome", "hello"]);
    assert_eq!(sim.texts(ann, group), ["before", "welcome", "hello"]);
    let came = |message: &MessageBody| {
        matches!(message, MessageBody::GroupChange { change: GroupChangeView::Joined { asked: false } })
    };
    assert!(sim.history(bob, group).iter().any(|line| line.from_name == "cem" && came(&line.body)));
    // In already: the link says so, and nothing is done twice.
    let revision = view(&mut sim, ann, group).revision;
    assert_eq!(join(&mut sim, cem, &link).standing, GroupStanding::Member);
    assert_eq!(view(&mut sim, ann, group).revision, revision);
}

#[test]
fn who_was_removed_only_asks_by_an_open_link() {
    let mut sim = Sim::new(48);
    let [ann, bob] = ["ann", "bob"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "doors", &["bob"]);
    let link = link(&change(&mut sim, ann, group, OPEN));
    change(&mut sim, ann, group, GroupChange::Remove { members: vec![named("bob")] });
    sim.run();

    let shown = look(&mut sim, bob, &link);
    assert!(shown.approval, "the link says that it asks");
    assert_eq!(join(&mut sim, bob, &link).standing, GroupStanding::Waiting);
    assert_eq!(view(&mut sim, ann, group).requests.len(), 1);
    say(&mut sim, ann, group, "not for him");
    sim.run();
    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("bob")] });
    say(&mut sim, ann, group, "back");
    sim.run();
    assert_eq!(sim.texts(bob, group), ["back"]);
}

#[test]
fn who_must_ask_waits_until_an_admin_lets_them_in() {
    let mut sim = Sim::new(42);
    let [ann, bob, cem, dan] = ["ann", "bob", "cem", "dan"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "ask first", &["bob"]);
    let link = link(&change(&mut sim, ann, group, ASK));
    for asks in [cem, dan] {
        assert_eq!(join(&mut sim, asks, &link).standing, GroupStanding::Waiting);
        assert_eq!(join(&mut sim, asks, &link).standing, GroupStanding::Waiting);
    }
    assert!(view(&mut sim, cem, group).waiting);
    say(&mut sim, bob, group, "not for them yet");
    sim.run();
    let asked = view(&mut sim, ann, group).requests;
    // Whom to let in must be judged by name, though nobody here has met them.
    let names: Vec<_> = asked.iter().map(|who| who.username.as_ref().map(ToString::to_string)).collect();
    assert_eq!(names, [Some("cem".to_owned()), Some("dan".to_owned())]);
    assert!(sim.history(bob, group).iter().any(|line| {
        matches!(line.body, MessageBody::GroupChange { change: GroupChangeView::Joined { asked: true } })
    }));

    let cem_id = sim.account(cem);
    change(&mut sim, ann, group, GroupChange::Add { members: vec![named("cem")] });
    let dan_id = sim.account(dan);
    change(&mut sim, ann, group, GroupChange::Decline { members: vec![dan_id] });
    say(&mut sim, bob, group, "for cem");
    sim.run();
    let shown = view(&mut sim, ann, group);
    assert!(shown.requests.is_empty() && shown.members.iter().any(|member| member.account == cem_id));
    assert_eq!(sim.texts(cem, group), ["for cem"]);
    assert_eq!(view(&mut sim, cem, group).title.as_deref(), Some("ask first"));
    assert!(sim.texts(dan, group).is_empty());
    assert_eq!(look(&mut sim, dan, &link).standing, GroupStanding::Stranger);
}

#[test]
fn links_that_are_closed_expired_used_up_or_broken_say_so() {
    let mut sim = Sim::new(43);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "shut", &[]);

    let once = link(&change(&mut sim, ann, group, GroupChange::OpenInvite { expires_ms: 0, uses: 1, approval: false }));
    assert_eq!(join(&mut sim, bob, &once).standing, GroupStanding::Member);
    assert!(refused(&mut sim, cem, &once).contains("used up"));

    let soon = sim.now().plus(Duration::from_secs(3600)).as_ms();
    let brief =
        link(&change(&mut sim, ann, group, GroupChange::OpenInvite { expires_ms: soon, uses: 0, approval: false }));
    assert_eq!(look(&mut sim, cem, &brief).standing, GroupStanding::Stranger);
    sim.run_for(Duration::from_secs(3601));
    assert!(refused(&mut sim, cem, &brief).contains("expired"));

    let opened = change(&mut sim, ann, group, OPEN);
    let closed = link(&opened);
    let public_key = opened.invites.last().expect("open").public_key.clone();
    let after = change(&mut sim, ann, group, GroupChange::CloseInvite { public_key });
    assert!(after.invites.iter().all(|invite| invite.link.as_deref() != Some(&*closed)));
    assert!(refused(&mut sim, cem, &closed).contains("closed"));

    // Another group's id with this group's seed opens neither.
    let other = create(&mut sim, bob, "other", &[]);
    let opened = link(&change(&mut sim, ann, group, OPEN));
    let swapped = swap_group(&opened, other);
    refused(&mut sim, cem, &swapped);
    assert!(refused(&mut sim, cem, "https://elsewhere.example.org/#/g/AAAA").contains("another server"));
    assert!(refused(&mut sim, cem, "what is this").contains("no invite link"));
    assert_eq!(view(&mut sim, ann, group).members.len(), 2);
    assert_eq!(view(&mut sim, bob, other).members.len(), 1);
}

fn swap_group(link: &str, other: GroupId) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (server, code) = link.rsplit_once('/').expect("a link");
    let mut code = URL_SAFE_NO_PAD.decode(code).expect("base64");
    code[1..33].copy_from_slice(other.as_bytes());
    format!("{server}/{}", URL_SAFE_NO_PAD.encode(code))
}

#[test]
fn two_who_join_at_once_are_both_in() {
    let mut sim = Sim::new(44);
    let [ann, bob, cem] = ["ann", "bob", "cem"].map(|name| sim.register(name));
    let group = create(&mut sim, ann, "rush", &[]);
    let link = link(&change(&mut sim, ann, group, OPEN));
    for by in [bob, cem] {
        sim.command(by, Command::JoinGroup { link: link.clone() });
    }
    sim.run_for(Duration::from_secs(60));
    for device in [ann, bob, cem] {
        let shown = view(&mut sim, device, group);
        assert_eq!((shown.members.len(), shown.alarm), (3, None));
    }
    say(&mut sim, bob, group, "made it");
    sim.run();
    assert_eq!(sim.texts(cem, group), ["made it"]);
}
