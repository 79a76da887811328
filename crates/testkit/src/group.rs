//! Clients in groups: what tests do there, and what they look at.

use crate::client::{TestClient, body_text};
use crate::wait::{DEADLINE, eventually};
use sotto_engine::api::{
    Command, CommandError, GroupChange, GroupChangeView, GroupFanout, GroupPermission, GroupView, MemberReceipt,
    MessageBody, MessageView, NewGroup, Reply, Who,
};
use sotto_types::{AccountId, GroupId, Username};

/// A group of these people, in which everybody may do everything that members may.
pub fn new_group(title: &str, members: &[&str]) -> NewGroup {
    NewGroup {
        title: title.to_owned(),
        description: String::new(),
        picture: None,
        picture_type: None,
        members: who(members),
        post: GroupPermission::Members,
        add: GroupPermission::Members,
        change_details: GroupPermission::Members,
        fanout: GroupFanout::Log,
    }
}

pub fn who(names: &[&str]) -> Vec<Who> {
    names.iter().map(|name| Who::Name(Username::parse(name).expect("a name that can be one"))).collect()
}

/// The accounts of the members, in the order they joined.
pub fn accounts(view: &GroupView) -> Vec<AccountId> {
    view.members.iter().map(|member| member.account).collect()
}

/// Messages (not lines about changes) with their ids, as they are shown.
pub fn said(history: &[MessageView]) -> Vec<(u64, String)> {
    let texts = history.iter().filter(|message| !matches!(message.body, MessageBody::GroupChange { .. }));
    texts.map(|message| (message.message_id.map_or(0, |id| id.get()), body_text(&message.body))).collect()
}

/// What was said while `member` was in, according to the whole history of the group: one list for each stay, from the change
/// that made them a member to the one that ended it.
pub fn stays(history: &[MessageView], member: AccountId) -> Vec<Vec<(u64, String)>> {
    let (mut is_in, mut stays) = (false, Vec::<Vec<_>>::new());
    for message in history {
        let MessageBody::GroupChange { change } = &message.body else {
            if let Some(stay) = stays.last_mut().filter(|_| is_in) {
                stay.extend(said(std::slice::from_ref(message)));
            }
            continue;
        };
        let was_in = is_in;
        let by_them = message.from == member;
        match change {
            GroupChangeView::Created { members, .. } => is_in = by_them || members.iter().any(|m| m.account == member),
            GroupChangeView::Added { members, .. } => is_in |= members.iter().any(|m| m.account == member),
            GroupChangeView::Removed { members, .. } => is_in &= members.iter().all(|m| m.account != member),
            GroupChangeView::Joined { asked: false } => is_in |= by_them,
            GroupChangeView::Left => is_in &= !by_them,
            _ => {}
        }
        if is_in && !was_in {
            stays.push(Vec::new());
        }
    }
    stays
}

/// What `member` must have: all that was said while they were in.
pub fn said_while_in(history: &[MessageView], member: AccountId) -> Vec<(u64, String)> {
    stays(history, member).concat()
}

impl TestClient {
    pub async fn create_group(&self, title: &str, members: &[&str]) -> GroupId {
        match self.command(Command::CreateGroup { group: new_group(title, members) }).await {
            Reply::Group { group } => group.group,
            other => panic!("no group: {other:?}"),
        }
    }

    pub async fn try_change_group(&self, group: GroupId, change: GroupChange) -> Result<GroupView, CommandError> {
        match self.try_command(Command::ChangeGroup { group, change }).await? {
            Reply::Group { group } => Ok(*group),
            other => panic!("no group: {other:?}"),
        }
    }

    pub async fn change_group(&self, group: GroupId, change: GroupChange) -> GroupView {
        let what = format!("{change:?}");
        self.try_change_group(group, change).await.unwrap_or_else(|error| panic!("{}: {what}: {error}", self.name))
    }

    pub async fn group(&self, group: GroupId) -> GroupView {
        match self.command(Command::Group { group }).await {
            Reply::Group { group } => *group,
            other => panic!("no group: {other:?}"),
        }
    }

    /// Looks until the group, as this device knows it, is as wanted.
    pub async fn until_group(&self, group: GroupId, what: &str, good: impl Fn(&GroupView) -> bool) -> GroupView {
        eventually(DEADLINE, format!("{}: {what}", self.name), || async {
            match self.try_command(Command::Group { group }).await {
                Ok(Reply::Group { group }) => Some(*group).filter(&good),
                _ => None,
            }
        })
        .await
    }

    /// Says a text that is unique in the test, and writes it down as said by this device's person to the group.
    pub async fn say(&self, group: GroupId, text: &str) -> MessageView {
        let person = self.ledger().name_of(self.me().await.account);
        self.ledger().sent(&person, &group.to_string(), text);
        let to = Who::Group(group);
        match self
            .command(Command::SendText {
                to,
                body: text.to_owned(),
                name: None,
                mentions: Vec::new(),
                reply_to: None,
                preview: None,
            })
            .await
        {
            Reply::Queued { message } => message,
            other => panic!("not queued: {other:?}"),
        }
    }

    /// Messages of the group with their ids, without the lines about changes.
    pub async fn said(&self, group: GroupId) -> Vec<(u64, String)> {
        said(&self.history(group).await)
    }

    /// How far each other member is with an own message.
    pub async fn receipts(&self, message: &MessageView) -> Vec<MemberReceipt> {
        match self.command(Command::Message { name: message.name }).await {
            Reply::Message { details, .. } => details.members,
            other => panic!("no message: {other:?}"),
        }
    }
}
