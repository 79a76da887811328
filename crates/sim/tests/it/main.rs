//! Engines against the real domain, by seed. One program: each by itself would be linked with all of it again.

mod account;
mod actions;
mod actions_property;
mod connection;
mod conversations;
mod details;
mod devices;
mod features;
mod gone;
mod groups;
mod groups_doors;
mod groups_hostile;
mod groups_large;
mod groups_stays;
mod groups_talk;
mod history;
mod hostile;
mod large;
mod messages;
mod presence;
mod profiles;
mod repair;
mod requests;
mod trust;
mod unread;
