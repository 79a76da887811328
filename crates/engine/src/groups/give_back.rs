//! A server that was restored from a backup: it is given the operations back that it has forgotten.
//! Flow: the server's list of groups -> those it knows less of than we do, or not at all -> the operations it lacks, some at a time
//!       -> `fetch::refresh`.
//! Always true: nothing is sent to a group meanwhile; if the server has other operations in their place, that is a fork.

use super::fetch::{self, Fetch, Step};
use crate::api::HttpMethod;
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use sotto_crypto::group::{Change, details_hash, verify_operation};
use sotto_engine_store::{Group, GroupOperation, StoreError};
use sotto_types::{ErrorCode, GroupId, limits};
use sotto_wire::http::{GroupRestored, PostOperation, RestoreGroup};

/// Of operations, in one request; one alone may be larger.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// The server lacks what follows from this revision on.
pub(super) fn begin(cx: &mut Cx<'_, '_>, group: GroupId, from: u32) -> Result<(), StoreError> {
    cx.core.groups.live(group).give_back = Some(from);
    go_on(cx, group)
}

/// Groups that are not among those the server has shown: it has forgotten them, or this account.
pub(super) fn begin_unknown(cx: &mut Cx<'_, '_>, mut shown: Vec<GroupId>) -> Result<(), StoreError> {
    shown.sort_unstable();
    for (group, _) in cx.tx.group_cursors()? {
        if shown.binary_search(&group).is_err() && cx.tx.group(group)?.is_some_and(|row| !row.left) {
            begin(cx, group, 0)?;
        }
    }
    Ok(())
}

/// What could not be asked for before.
pub(super) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let waiting: Vec<GroupId> =
        cx.core.groups.live.iter().filter(|(_, live)| live.give_back.is_some()).map(|(group, _)| *group).collect();
    waiting.into_iter().try_for_each(|group| go_on(cx, group))
}

fn go_on(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    if fetch::is_busy(cx, group) {
        return Ok(());
    }
    let (Some(from), Some(row)) = (cx.core.groups.live(group).give_back, cx.tx.group(group)?) else { return Ok(()) };
    let mut operations = Vec::new();
    let mut bytes = 0;
    let most = u32::try_from(limits::RESTORED_OPERATIONS).unwrap_or(u32::MAX);
    for operation in cx.tx.group_operations(group, from, most)? {
        bytes += operation.payload.len();
        if bytes > BYTES_AT_ONCE && !operations.is_empty() {
            break;
        }
        let details = details_of(&row, &operation);
        operations.push(PostOperation {
            payload: operation.payload.into(),
            signature: operation.signature.into(),
            details: details.map(Into::into),
        });
    }
    cx.core.groups.live(group).fetch = Some(Fetch::GiveBack);
    let path = format!("/v1/groups/{group}/restore");
    let call = Call::own(cx, HttpMethod::Post, path, Then::Groups(Step::GiveBack(group)));
    http::send(cx, call.json(&RestoreGroup { operations }).in_background());
    Ok(())
}

/// The encrypted details that an operation names, if they are here: those of the newest are.
fn details_of(row: &Group, operation: &GroupOperation) -> Option<Vec<u8>> {
    let sealed = row.sealed_details.as_ref()?;
    let verified = verify_operation(&operation.payload, &operation.signature).ok()?;
    let (Change::Create { details_hash: named, .. } | Change::SetDetails { details_hash: named }) = verified.change()
    else {
        return None;
    };
    (*named == details_hash(sealed)).then(|| sealed.clone())
}

pub(super) fn on_answer(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let live = cx.core.groups.live(group);
    match http::parse::<GroupRestored>(answer) {
        Ok(restored) => {
            let next = restored.revision.saturating_add(1);
            let moved = live.give_back.replace(next).is_some_and(|before| before < next);
            if moved && cx.tx.group(group)?.is_some_and(|row| row.revision > restored.revision) {
                return go_on(cx, group);
            }
            done(cx, group)
        }
        Err(failure) => match failure.code() {
            // Somebody changed it before it was given back; the list shows where.
            Some(ErrorCode::GroupConflict) => {
                live.give_back = None;
                fetch::page(cx, group, 0);
                Ok(())
            }
            Some(
                ErrorCode::UnknownGroup
                | ErrorCode::GroupOperationRefused
                | ErrorCode::GroupFull
                | ErrorCode::BadRequest
                | ErrorCode::TooLarge,
            ) => done(cx, group),
            _ => fetch::wait(cx, group, &failure),
        },
    }
}

/// The server has them now, or does not take them.
fn done(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    cx.core.groups.live(group).give_back = None;
    cx.tx.set_group_stale(group, true)?;
    fetch::refresh(cx, group)
}
