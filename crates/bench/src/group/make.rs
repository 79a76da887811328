//! A signed group, over HTTP as a client makes it.

use super::{Card, Made, Strategy};
use crate::accounts::Member;
use crate::frames::group::Group;
use crate::http::HttpConn;
use anyhow::{Context, Result};
use sotto_crypto::IdentityKey;
use sotto_crypto::group::{Change, GroupSettings, MemberKey, Permission, details_hash, sign_operation};
use sotto_types::{Clock, SystemClock};
use sotto_wire::http;

/// As much as an encrypted title has.
const DETAILS: [u8; 160] = [0x5A; 160];

/// What the others must know of a member.
pub fn card(member: &Member) -> Card {
    Card {
        account: member.address.account,
        identity_key: member.keys.identity.public().as_bytes().to_vec().into(),
        registration_id: member.registration_id,
    }
}

/// Makes a group of `members`, numbers of `cards`, the first of whom is `owner`.
pub async fn make(
    http: &mut HttpConn,
    token: &str,
    owner: &Member,
    cards: &[Card],
    members: Vec<u32>,
    strategy: Strategy,
) -> Result<Made> {
    let others = members.iter().skip(1).map(|number| {
        let card = cards.get(*number as usize).context("a member without a card")?;
        let identity_key = IdentityKey::parse(&card.identity_key.0).context("a member with an unusable key")?;
        anyhow::Ok(MemberKey { account: card.account, identity_key })
    });
    let all = Permission::Members;
    let change = Change::Create {
        members: others.collect::<Result<_>>()?,
        settings: GroupSettings { post: all, add: all, change_details: all, fanout: strategy.fanout() },
        details_hash: details_hash(&DETAILS),
    };
    let (identity, now) = (&owner.keys.identity, SystemClock.now());
    let made = sign_operation(identity, owner.address, None, &change, now, &mut rand::rng())?;
    let request = http::PostOperation {
        payload: made.signed.payload.to_vec().into(),
        signature: made.signed.signature.to_vec().into(),
        details: Some(DETAILS.to_vec().into()),
    };
    let accepted: http::OperationAccepted =
        http.post("/v1/groups", Some(token), &request).await.context("the group was not made")?;
    let roster = accepted.roster.parse().context("the server gave a roster that is no number")?;
    Ok(Made { id: *made.state.id().as_bytes(), roster, members })
}

/// What the server says is the roster now.
pub async fn roster(http: &mut HttpConn, token: &str, group: &Group) -> Result<u64> {
    let groups: http::Groups = http.get("/v1/groups", token).await.context("the groups cannot be had")?;
    let id = hex::encode(group);
    let found = groups.groups.iter().find(|summary| summary.group == id).context("the group is gone")?;
    found.roster.parse().context("the server gave a roster that is no number")
}
