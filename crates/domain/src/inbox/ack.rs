use crate::limiter::Subject;
use crate::{Domain, Refusal};
use sotto_ports::{Advance, EnvelopeClass, GroupAdvance, Queued, QueuedItem, Settle, StoredEnvelope, WatermarkKind};
use sotto_types::{AccountId, Conversation, DeviceAddress, EntryId, ErrorCode, GroupId, MessageId, limits};

/// A frame names at most 1,024 entries; the gateway joins the frames that arrive while an ack runs.
const ENTRIES_MAX: usize = 8 * limits::ACK_ENTRIES;

/// An entry that a device names as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedEntry {
    pub entry_id: EntryId,
    /// What the connection remembers of it; `None` if it was not delivered on this connection: then it is looked up.
    pub header: Option<EntryHeader>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    pub sender: DeviceAddress,
    pub class: EnvelopeClass,
    /// False for receipts and failures; the other fields then mean nothing.
    pub is_envelope: bool,
    /// Of an envelope that belongs to a group.
    pub group: Option<GroupId>,
}

impl EntryHeader {
    pub fn of(entry: &Queued) -> Option<Self> {
        match &entry.item {
            QueuedItem::Envelope(envelope) => {
                let StoredEnvelope { sender, class, group, .. } = envelope;
                Some(Self { sender: *sender, class: *class, is_envelope: true, group: *group })
            }
            QueuedItem::Receipt(_) | QueuedItem::Failure(_) => None,
        }
    }
}

impl Domain {
    /// Removes what the device has stored and moves delivered watermarks. What it could not decrypt is removed as well (it
    /// keeps a placeholder and asks the sender again), without a tick.
    pub async fn ack(
        &self,
        of: DeviceAddress,
        mut ok: Vec<AckedEntry>,
        mut undecryptable: Vec<AckedEntry>,
    ) -> Result<(), Refusal> {
        if ok.len().saturating_add(undecryptable.len()) > ENTRIES_MAX {
            return Err(Refusal::new(ErrorCode::BadRequest, format!("at most {ENTRIES_MAX} entries at once")));
        }
        let mut delivered: Vec<(Delivered, MessageId)> = Vec::new();
        for entry in &ok {
            if let Some(header) = &entry.header {
                note_delivered(&mut delivered, of, entry.entry_id, header);
            }
        }
        let strays = ok.iter().chain(&undecryptable).filter(|entry| entry.header.is_none()).count();
        let mut refused = Ok(());
        if strays > 0 {
            let cost = u32::try_from(strays).unwrap_or(u32::MAX);
            refused = self.limiter.check_cost(Subject::StrayAcks(of), cost, self.now());
        }
        if refused.is_err() {
            // What this connection delivered is acked all the same.
            ok.retain(|entry| entry.header.is_some());
            undecryptable.retain(|entry| entry.header.is_some());
        }
        let unseen: Vec<EntryId> =
            ok.iter().filter(|entry| entry.header.is_none()).map(|entry| entry.entry_id).collect();
        if !unseen.is_empty() {
            for queued in self.parts.inbox.get(of, &unseen).await? {
                if let Some(header) = EntryHeader::of(&queued) {
                    note_delivered(&mut delivered, of, queued.entry_id, &header);
                }
            }
        }
        let mut advance = Vec::with_capacity(delivered.len());
        for (by, up_to) in delivered {
            match by {
                Delivered::Of(author) => advance.extend(self.delivered(of, author, up_to).await?),
                Delivered::In(group) => {
                    let (member, kind, at) = (of.account, WatermarkKind::Delivered, self.now());
                    self.book.note_mark(GroupAdvance { group, member, kind, up_to, at });
                }
            }
        }
        self.meters.undecryptable.increment(undecryptable.len() as u64);
        self.meters.acked.increment(ok.len() as u64);
        let (mut envelopes, mut remove) = (Vec::with_capacity(ok.len()), Vec::new());
        for entry in ok.iter().chain(&undecryptable) {
            let seen_as_envelope = entry.header.is_some_and(|header| header.is_envelope);
            if seen_as_envelope { &mut envelopes } else { &mut remove }.push(entry.entry_id);
        }
        self.parts.inbox.settle(Settle { of, envelopes, remove, advance }).await?;
        refused
    }

    /// Nothing for an author the member blocked (what came before the block leaves no trace either) or who is gone. Of one who is
    /// not accepted the watermark moves, and is told when that changes.
    async fn delivered(
        &self,
        of: DeviceAddress,
        author: AccountId,
        up_to: MessageId,
    ) -> Result<Option<Advance>, Refusal> {
        if self.parts.directory.is_blocked(of.account, author).await? {
            return Ok(None);
        }
        let notify = self.notices(author, Conversation::Peer(of.account), None).await?;
        let if_contact = self.people.requests();
        let (member, kind, at) = (of.account, WatermarkKind::Delivered, self.now());
        let advance = Advance { author, member, kind, up_to, at, notify, if_contact };
        Ok(Some(advance).filter(|advance| !advance.notify.is_empty()))
    }
}

/// Whose watermark an ack moves: that of an author's messages, or of everybody's in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    Of(AccountId),
    In(GroupId),
}

/// Messages of others tick; control envelopes and copies from own devices do not. One watermark per author or group, the
/// highest id.
fn note_delivered(
    delivered: &mut Vec<(Delivered, MessageId)>,
    of: DeviceAddress,
    entry: EntryId,
    header: &EntryHeader,
) {
    let ticks = header.is_envelope
        && matches!(header.class, EnvelopeClass::Message | EnvelopeClass::Resend)
        && header.sender.account != of.account;
    if !ticks {
        return;
    }
    let by = header.group.map_or(Delivered::Of(header.sender.account), Delivered::In);
    let id = MessageId::new(entry.get());
    match delivered.iter_mut().find(|(noted, _)| *noted == by) {
        Some((_, highest)) => *highest = id.max(*highest),
        None => delivered.push((by, id)),
    }
}
