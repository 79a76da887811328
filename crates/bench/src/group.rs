//! Groups under load: who is in them, what their members send, and what each device must have got.
//! Flow: `make` (a signed group) -> `crowd` (its online devices) -> `seat` (one of them: sends, receives, acknowledges) ->
//!       `hall` (when did a message reach the first, the median, the last of them) and `ledger` (did everything come once, in
//!       order).
//! Always true:
//! - members are numbered through the whole run, also across worker processes, and so are groups;
//! - a message names its group, sender, recipient, number and the moment it was due, so every receiver in every process can
//!   time it and check every byte of it.

pub mod cipher;
pub mod crowd;
pub mod hall;
pub mod ledger;
pub mod make;
pub mod rota;
pub mod seat;
pub mod visit;

use crate::frames::group::Group;
use crate::payload::Pool;
use anyhow::{Context, Result};
use cipher::Sizes;
use serde::{Deserialize, Serialize};
use sotto_crypto::group::Fanout;
use sotto_types::AccountId;
use sotto_wire::http::Base64;
use std::collections::BTreeMap;

/// How a message reaches the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// One ciphertext in the group's log (fan-out on read).
    Log,
    /// One ciphertext per device, into its inbox (fan-out on write).
    Pairwise,
}

impl Strategy {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Pairwise => "pairwise",
        }
    }

    pub const fn fanout(self) -> Fanout {
        match self {
            Self::Log => Fanout::Log,
            Self::Pairwise => Fanout::Pairwise,
        }
    }

    pub fn members_max(self) -> u32 {
        u32::try_from(self.fanout().members_max()).unwrap_or(u32::MAX)
    }
}

/// What the others must know of a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    pub account: AccountId,
    pub identity_key: Base64,
    pub registration_id: u32,
}

/// A group that the server has made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Made {
    pub id: Group,
    /// As the server gave it.
    pub roster: u64,
    pub members: Vec<u32>,
}

/// Everybody and every group of a run.
#[derive(Debug)]
pub struct Party {
    pub strategy: Strategy,
    pub cards: Vec<Card>,
    pub groups: Vec<Made>,
    pub pool: Pool,
    pub sizes: Sizes,
    by_id: BTreeMap<Group, u32>,
}

impl Party {
    /// `run` names the run, so that all its processes check against the same bytes.
    pub fn new(strategy: Strategy, cards: Vec<Card>, groups: Vec<Made>, run: &str, text_len: usize) -> Self {
        let by_id = groups.iter().zip(0..).map(|(group, number)| (group.id, number)).collect();
        let seed = run.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(257).wrapping_add(u64::from(byte)));
        let (pool, sizes) = (Pool::seeded(seed), Sizes::of(text_len));
        Self { strategy, cards, groups, pool, sizes, by_id }
    }

    pub fn find(&self, group: &[u8]) -> Result<u32> {
        let number = Group::try_from(group).ok().and_then(|group| self.by_id.get(&group)).copied();
        number.context("an entry of a group that this run did not make")
    }

    pub fn group(&self, number: u32) -> Result<&Made> {
        self.groups.get(number as usize).context("there is no group of this number")
    }

    pub fn card(&self, number: u32) -> Result<&Card> {
        self.cards.get(number as usize).context("there is no member of this number")
    }
}

/// How many messages a member sent to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub group: u32,
    pub sender: u32,
    pub count: u64,
}
