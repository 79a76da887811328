//! What the engine answered.

use super::{App, Focus, SearchSheet, Sheet, Why};
use crate::commands::contacts::name_of;
use crate::commands::people::is_request;
use crate::ticks::one_line;
use sotto_engine::api::{CommandError, ConversationView, MessageView, Reply, SearchHit};
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
                self.focus_open();
            }
            (Why::Open, Reply::Conversation { conversation }) => {
                self.open_conversation(*conversation);
                self.focus_open();
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
            (Why::Accept, Reply::Contact { contact }) => {
                let conversation = Conversation::from(contact.account);
                if let Some(open) = self.open.as_mut().filter(|open| open.conversation == conversation) {
                    (open.is_request, open.was_accepted) = (false, true);
                }
                self.notice = Some(format!("{} is accepted", name_of(&contact)));
                self.on_contact(contact);
                self.refresh_list();
            }
            // Somebody blocked is no request any more.
            (Why::Contact, Reply::Contact { contact }) => {
                self.on_contact(contact);
                self.refresh_list();
            }
            (_, Reply::Contact { contact }) => self.on_contact(contact),
            (Why::Report, Reply::Done) => self.notice = Some("Reported to the operator, as your word".into()),
            (_, Reply::Profile { profile }) => self.on_profile(profile),
            (_, Reply::Privacy { privacy }) => self.on_privacy(privacy),
            (Why::Timer, Reply::Conversation { conversation }) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.conversation == conversation.conversation) {
                    open.timer_s = conversation.timer_s;
                }
                self.refresh_list();
            }
            (Why::Pinned(of), Reply::Messages { messages, .. }) => {
                if let Some(open) = self.open.as_mut().filter(|open| open.conversation == of) {
                    open.pinned = messages;
                }
            }
            (Why::Starred, Reply::Messages { messages, .. }) => self.on_starred(messages),
            // What was forwarded.
            (Why::Act, Reply::Messages { messages, .. }) => {
                self.notice = Some(match messages.len() {
                    1 => "Forwarded".into(),
                    n => format!("Forwarded: {n} messages"),
                });
                messages.into_iter().for_each(|message| self.put(message));
                self.refresh_list();
            }
            (_, Reply::Queued { message }) => {
                self.on_pin(&message);
                self.put(message);
                self.refresh_list();
            }
            (Why::Search(query), Reply::Found { hits }) => {
                if let Some(Sheet::Search(search)) = &mut self.sheet
                    && search.field.text() == query
                {
                    search.starred = false;
                    search.selected = 0;
                    search.hits = hits;
                }
            }
            (_, Reply::SafetyNumber { digits, contact, .. }) => self.sheet = Some(Sheet::Safety { digits, contact }),
            _ => {}
        }
    }

    fn on_starred(&mut self, messages: Vec<MessageView>) {
        let hit = |message: MessageView| {
            let listed = self.conversations.iter().find(|listed| listed.conversation == message.conversation);
            SearchHit {
                contact: listed.and_then(|listed| listed.contact.clone()),
                title: listed.map_or_else(String::new, |listed| listed.title.clone()),
                snippet: one_line(&message),
                message,
            }
        };
        let hits = messages.into_iter().map(hit).collect();
        self.sheet = Some(Sheet::Search(SearchSheet { starred: true, hits, ..SearchSheet::default() }));
    }

    fn on_error(&mut self, why: &Why, error: CommandError) {
        if let (Why::Newest(of) | Why::Older(of), Some(open)) = (why, &mut self.open)
            && open.conversation == *of
        {
            open.loading = false;
            open.wanted = None;
        }
        if *why == Why::Privacy {
            self.on_privacy_error();
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
        // Those that wait for a decision are not mixed with the others.
        let (mut requests, others): (Vec<_>, Vec<_>) = conversations.into_iter().partition(is_request);
        requests.extend(others);
        self.conversations = requests;
        let place = keep.and_then(|keep| self.conversations.iter().position(|c| c.conversation == keep));
        self.selected = place.unwrap_or(self.selected.min(self.conversations.len().saturating_sub(1)));
        if let Some(open) = &mut self.open
            && let Some(listed) = self.conversations.iter().find(|c| c.conversation == open.conversation)
        {
            open.contact = listed.contact.clone();
            open.group = listed.group.clone();
            open.title = listed.title.clone();
            open.is_me = listed.is_me;
            let waited = open.is_waiting();
            open.is_request = listed.is_request && !open.was_accepted;
            // Opened before it was known: there is nothing to write yet.
            if open.is_waiting() && !waited && self.focus == Focus::Composer {
                self.focus = Focus::Messages;
            }
            open.timer_s = listed.timer_s;
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
