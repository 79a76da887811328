//! What the engine answered.

use super::{App, Focus, Sheet, Why};
use sotto_engine::api::{CommandError, ConversationView, MessageView, Reply};
use sotto_types::Conversation;

impl App {
    pub fn on_answer(&mut self, why: Why, result: Result<Reply, CommandError>) {
        if why == Why::List {
            self.list_asked = false;
            if std::mem::take(&mut self.list_stale) {
                self.refresh_list();
            }
        }
        let reply = match result {
            Ok(reply) => reply,
            Err(error) => return self.on_error(&why, error),
        };
        match (why, reply) {
            (_, Reply::Me { me }) => self.me = Some(me),
            (_, Reply::Status { status }) => {
                self.connection = status.connection;
                self.signed_out = status.signed_out;
                self.me = status.me.or(self.me.take());
            }
            (_, Reply::Conversations { conversations }) => self.on_list(conversations),
            (Why::Newest(of), Reply::Messages { messages, more, .. }) => self.on_newest(of, messages, more),
            (Why::Older(of), Reply::Messages { messages, more, .. }) => self.on_older(of, messages, more),
            (Why::Open, Reply::Contact { contact }) => {
                self.refresh_list();
                self.open_person(contact);
                self.focus = Focus::Composer;
            }
            (Why::Open, Reply::Conversation { conversation }) => {
                self.open_conversation(*conversation);
                self.focus = Focus::Composer;
            }
            (Why::Group, Reply::Group { group }) => self.on_group_view(group),
            (Why::Verify, Reply::Contact { contact }) => {
                if let Some(Sheet::Safety { contact: shown, .. }) = &mut self.sheet
                    && shown.account == contact.account
                {
                    shown.verified = contact.verified;
                }
                self.on_contact(contact);
            }
            (_, Reply::Contact { contact }) => self.on_contact(contact),
            (_, Reply::Queued { message }) => {
                self.put(message);
                self.refresh_list();
            }
            (Why::Search(query), Reply::Found { hits }) => {
                if let Some(Sheet::Search(search)) = &mut self.sheet
                    && search.field.text() == query
                {
                    search.selected = 0;
                    search.hits = hits;
                }
            }
            (_, Reply::SafetyNumber { digits, contact, .. }) => self.sheet = Some(Sheet::Safety { digits, contact }),
            _ => {}
        }
    }

    fn on_error(&mut self, why: &Why, error: CommandError) {
        if let (Why::Newest(of) | Why::Older(of), Some(open)) = (why, &mut self.open)
            && open.conversation == *of
        {
            open.loading = false;
            open.wanted = None;
        }
        if *why == Why::Verify {
            // The number on the sheet is not the one to compare.
            self.sheet = None;
        }
        // A half-typed search is no mistake worth a line.
        if !matches!(why, Why::Search(_) | Why::Quiet) {
            self.notice = Some(error.text);
        }
    }

    fn on_list(&mut self, conversations: Vec<ConversationView>) {
        let keep = self.open.as_ref().map(|open| open.conversation).or_else(|| {
            let selected = self.conversations.get(self.selected)?;
            Some(selected.conversation)
        });
        self.conversations = conversations;
        let place = keep.and_then(|keep| self.conversations.iter().position(|c| c.conversation == keep));
        self.selected = place.unwrap_or(self.selected.min(self.conversations.len().saturating_sub(1)));
        if let Some(open) = &mut self.open
            && let Some(listed) = self.conversations.iter().find(|c| c.conversation == open.conversation)
        {
            open.contact = listed.contact.clone();
            open.group = listed.group.clone();
            open.title = listed.title.clone();
            open.is_me = listed.is_me;
        }
    }

    fn on_newest(&mut self, of: Conversation, messages: Vec<MessageView>, more: bool) {
        if let Some(open) = self.open.as_mut().filter(|open| open.conversation == of) {
            open.loading = false;
            open.messages = messages;
            open.more = more;
        }
        self.load_wanted();
    }

    fn on_older(&mut self, of: Conversation, mut messages: Vec<MessageView>, more: bool) {
        if let Some(open) = self.open.as_mut().filter(|open| open.conversation == of) {
            open.loading = false;
            open.more = more && !messages.is_empty();
            messages.retain(|message| open.messages.iter().all(|known| known.name != message.name));
            messages.append(&mut open.messages);
            messages.sort_by_key(|message| message.position);
            open.messages = messages;
        }
        self.load_wanted();
    }
}
