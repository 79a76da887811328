//! Whatever people do with messages on several devices, in whatever order it arrives and whichever process dies meanwhile: in the
//! end all devices show the same conversation.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sotto_engine::{Command, MessageBody, MessageRef, MessageView, NewContent, Who};
use sotto_sim::scenes::create;
use sotto_sim::{Device, Sim};
use sotto_types::{AccountId, Conversation};
use std::collections::BTreeSet;
use std::time::Duration;

const SEEDS: u64 = 24;
const DEEDS: usize = 60;
const EMOJI: [&str; 3] = ["👍", "🎉", ""];

struct Scene {
    sim: Sim,
    rng: StdRng,
    /// Devices of ann (two), bob and cleo, and whose they are.
    devices: Vec<(Device, AccountId)>,
    group: Conversation,
    /// Deleted by somebody for themselves: gone for them, and there for others.
    private: BTreeSet<(AccountId, MessageRefKey)>,
    deletes_alone: bool,
}

type MessageRefKey = (AccountId, String);

fn key(message: MessageRef) -> MessageRefKey {
    (message.from, message.name.to_string())
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed);
        let (ann, bob, cleo) = (sim.register("ann"), sim.register("bob"), sim.register("cleo"));
        let group = create(&mut sim, ann, "all of us", &["bob", "cleo"]);
        let second = sim.link(ann);
        sim.send(ann, "bob", "hello");
        sim.run();
        let devices = [ann, second, bob, cleo].map(|device| (device, sim.account(device))).to_vec();
        let rng = StdRng::seed_from_u64(seed);
        Self { sim, rng, devices, group: group.into(), private: BTreeSet::new(), deletes_alone: seed.is_multiple_of(2) }
    }

    /// The conversation as a device names it: of the group, or of ann and bob.
    fn conversation(&self, of: AccountId, is_group: bool) -> Conversation {
        let (ann, bob) = (self.devices[0].1, self.devices[2].1);
        match () {
            () if is_group => self.group,
            () if of == ann => bob.into(),
            () => ann.into(),
        }
    }

    fn one_of(&mut self, device: Device, conversation: Conversation, is_own: Option<AccountId>) -> Option<MessageRef> {
        let all = self.sim.history(device, conversation);
        let fits = |message: &&MessageView| {
            is_own.is_none_or(|own| message.from == own)
                && matches!(message.body, MessageBody::Text { .. } | MessageBody::Poll { .. })
        };
        let all: Vec<MessageRef> = all.iter().filter(fits).map(MessageView::reference).collect();
        all.choose(&mut self.rng).copied()
    }

    fn deed(&mut self, n: usize) {
        let (device, account) = *self.devices.choose(&mut self.rng).expect("there are four");
        let is_group = account == self.devices[3].1 || self.rng.random_bool(0.6);
        let conversation = self.conversation(account, is_group);
        let to = match conversation {
            Conversation::Group(group) => Who::Group(group),
            Conversation::Peer(peer) => Who::Account(peer),
        };
        if !self.sim.is_up(device) {
            self.sim.start(device);
        }
        let command = match self.rng.random_range(0..16) {
            0..4 => Some(Command::SendText {
                to,
                body: format!("said {n}"),
                name: None,
                mentions: Vec::new(),
                reply_to: self.one_of(device, conversation, None),
                preview: None,
            }),
            4 => {
                let options = vec!["yes".into(), "no".into()];
                let content = NewContent::Poll { question: format!("poll {n}"), options, multiple: false };
                Some(Command::Send { to, content, name: None })
            }
            5..8 => {
                let message = self.one_of(device, conversation, Some(account));
                message.map(|message| Command::Edit { message, body: format!("changed {n}"), mentions: Vec::new() })
            }
            8..10 => {
                let emoji = (*EMOJI.choose(&mut self.rng).expect("there are three")).to_owned();
                self.one_of(device, conversation, None).map(|message| Command::React { message, emoji })
            }
            10 => {
                let options = vec![self.rng.random_range(0..2)];
                self.one_of(device, conversation, None).map(|message| Command::Vote { message, options })
            }
            11 => {
                let message = self.one_of(device, conversation, Some(account));
                message.map(|message| Command::Delete { messages: vec![message], for_everyone: true })
            }
            // Not in every second one: of more than three pins the newest count, of messages that are there, so who deleted a
            // pinned message may see another pin than the others.
            12 if self.deletes_alone => {
                let message = self.one_of(device, conversation, None);
                self.private.extend(message.map(|message| (account, key(message))));
                message.map(|message| Command::Delete { messages: vec![message], for_everyone: false })
            }
            13 => {
                let seconds = if self.rng.random_bool(0.5) { 30 } else { 0 };
                Some(Command::SetTimer { conversation, seconds })
            }
            14 => {
                let seconds = self.rng.random_bool(0.7).then_some(86_400);
                self.one_of(device, conversation, None).map(|message| Command::Pin { message, seconds })
            }
            _ => Some(Command::MarkRead { conversation, up_to: None }),
        };
        if let Some(command) = command {
            self.sim.command(device, command);
        }
        match self.rng.random_range(0..20) {
            0 => {
                let effects = self.rng.random_range(0..3);
                self.sim.crash_in_step(device, effects);
            }
            1 => self.sim.set_network(device, false),
            2 => self.sim.set_network(device, true),
            3 => self.sim.run_for(Duration::from_secs(10)),
            _ => {}
        }
        for _ in 0..self.rng.random_range(0..12) {
            self.sim.step();
        }
    }

    /// Everybody is there, has read everything, and what is to disappear has.
    fn come_to_rest(&mut self) {
        self.sim.drops_per_mille = 0;
        for (device, _) in self.devices.clone() {
            self.sim.start(device);
            self.sim.set_network(device, true);
        }
        // Waits after losses grow to minutes.
        self.sim.run_for(Duration::from_secs(1800));
        for (device, account) in self.devices.clone() {
            for is_group in [true, false] {
                if is_group || account != self.devices[3].1 {
                    let conversation = self.conversation(account, is_group);
                    self.sim.command(device, Command::MarkRead { conversation, up_to: None });
                }
            }
        }
        self.sim.run_for(Duration::from_secs(600));
    }

    /// What a device shows, but for what somebody has deleted for themselves.
    fn shown(&mut self, at: usize, is_group: bool, but: &BTreeSet<MessageRefKey>, with_pins: bool) -> Vec<String> {
        let (device, account) = self.devices[at];
        let conversation = self.conversation(account, is_group);
        let messages = self.sim.history(device, conversation);
        messages
            .iter()
            .filter(|message| !but.contains(&key(message.reference())))
            .map(|message| line(message, with_pins))
            .collect()
    }
}

/// Everything about a message that is the same for everybody.
fn line(message: &MessageView, with_pins: bool) -> String {
    let body = match &message.body {
        MessageBody::Text { body, .. } => body.clone(),
        MessageBody::Poll { question, options, .. } => {
            let votes: Vec<_> = options
                .iter()
                .map(|option| option.voters.iter().map(|who| who.account).collect::<BTreeSet<_>>())
                .collect();
            format!("{question} {votes:?}")
        }
        MessageBody::Deleted { by } => format!("deleted by {}", by.account),
        MessageBody::Timer { seconds } => format!("timer {seconds}"),
        MessageBody::GroupChange { .. } => "a change of the group".to_owned(),
        other => panic!("not to be shown in the end: {other:?} {message:?}"),
    };
    let extras = &message.extras;
    let reactions: BTreeSet<_> = extras
        .reactions
        .iter()
        .map(|reaction| (&reaction.emoji, reaction.people.iter().map(|who| who.account).collect::<BTreeSet<_>>()))
        .collect();
    let quote = extras.quote.as_ref().map(|quote| quote.message);
    let (edited, pinned) = (extras.edited_ms, extras.pinned_until_ms.filter(|_| with_pins));
    format!("{} {:?} {body} {reactions:?} {edited:?} {pinned:?} {quote:?}", message.from, message.message_id)
}

fn run(seed: u64) {
    let mut scene = Scene::new(seed);
    scene.sim.drops_per_mille = if seed.is_multiple_of(3) { 0 } else { 5 };
    for n in 0..DEEDS {
        scene.deed(n);
    }
    scene.come_to_rest();
    let of = |scene: &Scene, who: AccountId| -> BTreeSet<MessageRefKey> {
        scene.private.iter().filter(|(by, _)| *by == who).map(|(_, key)| key.clone()).collect()
    };
    let anybodys: BTreeSet<_> = scene.private.iter().map(|(_, key)| key.clone()).collect();
    for is_group in [true, false] {
        let first = scene.shown(0, is_group, &BTreeSet::new(), true);
        let second = scene.shown(1, is_group, &BTreeSet::new(), true);
        assert_eq!(first, second, "seed {seed}: two devices of one person");
        let hers = of(&scene, scene.devices[0].1);
        let hidden = scene.shown(0, is_group, &hers, true);
        assert_eq!(first, hidden, "seed {seed}: what she deleted for herself is gone");
        let want = scene.shown(0, is_group, &anybodys, anybodys.is_empty());
        for at in if is_group { 2..4 } else { 2..3 } {
            let theirs = scene.shown(at, is_group, &anybodys, anybodys.is_empty());
            assert_eq!(want, theirs, "seed {seed}: device {at}");
        }
    }
}

#[test]
fn all_devices_come_to_show_the_same() {
    // More of them by hand: SOTTO_SEEDS=500.
    let seeds = std::env::var("SOTTO_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        run(seed);
    }
}
