//! lock, unlock: the profile's passphrase. Needs the profile for itself, so that no other process holds it open.

use crate::args::Global;
use crate::failure::{Exit, Failure};
use crate::out::{Out, can_ask};
use crate::session::{given_passphrase, profile_dir, prompt_secret};
use serde_json::json;
use sotto_engine_native::{Profile, ProfileError};
use sotto_types::Secret;

pub async fn lock(global: &Global) -> Result<(), Failure> {
    let out = Out::new(global.json);
    let dir = profile_dir(global)?;
    let given = given_passphrase(global)?;
    let (mut profile, was_locked) = match Profile::open(&dir, None) {
        Ok(profile) => (profile, false),
        Err(ProfileError::NeedsPassphrase) if can_ask() => {
            let old = prompt_secret("Present passphrase: ")?;
            (Profile::open(&dir, Some(&old))?, true)
        }
        Err(ProfileError::NeedsPassphrase) => {
            return Err(Failure::new(
                Exit::Locked,
                "passphrase",
                "this profile has a passphrase already: `sotto unlock` first",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let new = match given {
        Some(given) if !was_locked => given,
        _ if can_ask() => {
            let first = prompt_secret("New passphrase: ")?;
            let second = prompt_secret("The same again: ")?;
            if first != second {
                return Err(Failure::usage("the two are not the same; nothing was changed"));
            }
            first
        }
        _ => return Err(Failure::usage("give the new passphrase with SOTTO_PASSPHRASE or --passphrase-file FILE")),
    };
    if new.expose().is_empty() {
        return Err(Failure::usage("an empty passphrase protects nothing"));
    }
    profile.set_passphrase(Some(&new))?;
    done(
        &out,
        "locked",
        "This profile now asks for its passphrase. Without it, nobody can open it: there is no way around.",
    )
}

pub async fn unlock(global: &Global) -> Result<(), Failure> {
    let out = Out::new(global.json);
    let dir = profile_dir(global)?;
    let given = given_passphrase(global)?;
    let present: Option<Secret<String>> = match given {
        Some(given) => Some(given),
        None if can_ask() => Some(prompt_secret("Passphrase: ")?),
        None => None,
    };
    let mut profile = Profile::open(&dir, present.as_ref())?;
    profile.set_passphrase(None)?;
    done(&out, "unlocked", "This profile opens without a passphrase.")
}

fn done(out: &Out, state: &str, text: &str) -> Result<(), Failure> {
    if out.json { out.json(&json!({ "profile": state })) } else { out.line(text) }
}
