//! How far members have received and read.
//! Always true: a message is ticked once every other member has it (or has read it); who has what stands beside each message.

use super::{changed, known};
use crate::api::HttpMethod;
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use sotto_engine_store::{PENDING_PLACE, StepKind, StoreError};
use sotto_types::{AccountId, Conversation, GroupId, MessageId, Timestamp};
use sotto_wire::http::GroupMarks;
use sotto_wire::pb;

/// Asks how far everybody is: what happened while this device was away was not told to it.
pub(crate) fn refresh(cx: &mut Cx<'_, '_>, group: GroupId) {
    let then = Then::Groups(super::Step::Marks(group));
    let call = Call::own(cx, HttpMethod::Get, format!("/v1/groups/{group}/marks"), then).in_background();
    http::send(cx, call);
}

pub(super) fn on_answer(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    answer: Result<Vec<u8>, Failure>,
) -> Result<(), StoreError> {
    let Ok(marks) = http::parse::<GroupMarks>(answer) else { return Ok(()) };
    let step = |step: &sotto_wire::http::GroupStep| Some((step.message_id.parse().ok()?, step.at_ms));
    let mut moved = false;
    for mark in &marks.marks {
        moved |= take(cx, group, mark.member, StepKind::Delivered, mark.delivered.as_ref().and_then(step))?;
        moved |= take(cx, group, mark.member, StepKind::Read, mark.read.as_ref().and_then(step))?;
    }
    if moved { tick(cx, group) } else { Ok(()) }
}

pub(crate) fn on_marks(cx: &mut Cx<'_, '_>, marks: &pb::GroupMarks) -> Result<(), StoreError> {
    let Ok(group) = GroupId::try_from(&marks.group_id[..]) else { return Ok(()) };
    if !cx.tx.has_group(group)? {
        return Ok(());
    }
    let step = |step: &pb::Step| (step.message_id, step.at_ms);
    let mut moved = false;
    for mark in &marks.marks {
        let Ok(member) = AccountId::try_from(&mark.member[..]) else { continue };
        moved |= take(cx, group, member, StepKind::Delivered, mark.delivered.as_ref().map(step))?;
        moved |= take(cx, group, member, StepKind::Read, mark.read.as_ref().map(step))?;
    }
    if moved { tick(cx, group) } else { Ok(()) }
}

fn take(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    member: AccountId,
    kind: StepKind,
    step: Option<(u64, u64)>,
) -> Result<bool, StoreError> {
    let Some((up_to, at)) = step.filter(|(up_to, _)| *up_to > 0 && *up_to < PENDING_PLACE) else { return Ok(false) };
    let (up_to, at) = (MessageId::new(up_to), Timestamp::from_ms(at));
    if cx.own().is_some_and(|own| own.account() == member) {
        // Read on another own device.
        let conversation = Conversation::Group(group);
        if kind == StepKind::Read && cx.tx.raise_read(conversation, up_to)? {
            crate::forget::on_read(cx, conversation, up_to)?;
            cx.tx.mark_read_told(conversation, up_to)?;
            changed(cx, group);
        }
        return Ok(false);
    }
    cx.tx.put_mark(group, member, kind, up_to, at)
}

/// Somebody got further: own messages that everybody has by now, or has read; and who has what is shown beside each.
fn tick(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    let (Some(own), Some((_, state))) = (cx.own(), known(cx, group)?) else { return Ok(()) };
    changed(cx, group);
    for kind in [StepKind::Delivered, StepKind::Read] {
        let mut all = None;
        for member in state.members().iter().filter(|member| member.account != own.account()) {
            let mark = cx.tx.newest_mark(group, member.account, kind)?.unwrap_or_default();
            all = Some(all.map_or(mark, |all: MessageId| all.min(mark)));
        }
        let Some(up_to) = all.filter(|up_to| *up_to > MessageId::ZERO) else { continue };
        let at = cx.now;
        for id in cx.tx.tick(own.account(), Conversation::Group(group), kind, up_to, at)? {
            cx.message_changed(id)?;
        }
    }
    Ok(())
}
