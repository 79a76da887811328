use crate::limiter::Subject;
use crate::{Domain, Refusal};
use sotto_ports::{Advance, Settle, WatermarkKind};
use sotto_types::{Conversation, DeviceAddress, ErrorCode, MessageId, limits};

impl Domain {
    /// The person saw everything up to here: the reader's other devices get a receipt, and so do the author's, if the reader
    /// accepts the author and both show what they read.
    pub async fn read(&self, of: DeviceAddress, conversation: Conversation, up_to: MessageId) -> Result<(), Refusal> {
        let now = self.now();
        self.limiter.check(Subject::Reads(of), now)?;
        let author = match conversation {
            Conversation::Peer(author) => author,
            Conversation::Group(group) => return self.read_group(of, group, up_to).await,
        };
        // A watermark never falls, so one from the far future would mark everything to come as read.
        // Ids are ahead of the clock when that was set back.
        let ahead = up_to.time_ms() > now.plus(limits::SEEN_AHEAD).as_ms();
        if up_to == MessageId::ZERO || (ahead && up_to > self.parts.inbox.newest_id().await?) {
            return Err(Refusal::new(ErrorCode::BadRequest, "up_to is no id of this server"));
        }
        if self.parts.directory.routing(author).await?.is_none() {
            return Ok(());
        }
        let mut notify = self.notices(of.account, conversation, Some(of)).await?;
        // A block is silent both ways: who blocked the author tells nothing, and whom the author blocked cannot reach them.
        let directory = &self.parts.directory;
        if author != of.account
            && !directory.is_blocked(of.account, author).await?
            && !directory.is_blocked(author, of.account).await?
            && self.people.show_reading(of.account, author).await?
        {
            notify.extend(self.notices(author, Conversation::Peer(of.account), None).await?);
        }
        let if_contact = author != of.account && self.people.requests();
        let (member, kind) = (of.account, WatermarkKind::Read);
        let advance = Advance { author, member, kind, up_to, at: now, notify, if_contact };
        let settle = Settle { of, envelopes: Vec::new(), remove: Vec::new(), advance: vec![advance] };
        Ok(self.parts.inbox.settle(settle).await?)
    }
}
