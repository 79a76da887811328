//! The ledger: what was sent, what the server acknowledged, what was shown to whom and which ticks came, each with its time.
//! Tests write down what they see as they see it; at the end the ledger says whether every promise held.
//! Always true: a text names one message for the whole test (make them unique, for example "ann>bob#17").

use sotto_types::AccountId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A tick as the sender saw it, with the wall time it carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSeen {
    pub status: String,
    pub at_ms: Option<u64>,
}

#[derive(Debug, Clone)]
struct Sent {
    from: String,
    to: String,
    text: String,
    at: Instant,
}

#[derive(Debug, Clone)]
struct Shown {
    text: String,
    message_id: u64,
    at: Instant,
}

#[derive(Debug, Default)]
struct Book {
    sent: Vec<Sent>,
    /// Text -> message id: the server's promise.
    accepted: HashMap<String, u64>,
    statuses: HashMap<(String, String), Vec<StatusSeen>>,
    /// By (viewer, sender), in the order of arrival.
    shown: BTreeMap<(String, String), Vec<Shown>>,
    faults: Vec<String>,
    undecryptable: Vec<String>,
    /// Account -> name.
    people: HashMap<AccountId, String>,
    /// Group -> (viewer, its person): who must be shown everything that is said there.
    audiences: HashMap<String, Vec<(String, String)>>,
}

/// Shared by all clients of a test.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

impl Ledger {
    pub fn new() -> Self {
        Self::default()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who an account is, so that what clients show can be written down by name.
    pub fn know(&self, account: AccountId, name: &str) {
        self.book().people.insert(account, name.to_owned());
    }

    /// The name of an account, or its id.
    pub fn name_of(&self, account: AccountId) -> String {
        self.book().people.get(&account).cloned().unwrap_or_else(|| account.to_string())
    }

    /// What is sent to `group` must be shown to each of these (viewer, its person), except to devices of the sender.
    pub fn audience(&self, group: &str, viewers: &[(&str, &str)]) {
        let viewers = viewers.iter().map(|(viewer, person)| ((*viewer).to_owned(), (*person).to_owned())).collect();
        self.book().audiences.insert(group.to_owned(), viewers);
    }

    /// `from` pressed send (and its client has it durably). Order of calls is the order of sending.
    pub fn sent(&self, from: &str, to: &str, text: &str) {
        let mut book = self.book();
        book.sent.push(Sent { from: from.into(), to: to.into(), text: text.into(), at: Instant::now() });
    }

    /// The server acknowledged it. Twice is fine (a repeat), but under one id.
    pub fn accepted(&self, text: &str, message_id: u64) {
        let mut book = self.book();
        let before = book.accepted.insert(text.to_owned(), message_id);
        if let Some(before) = before.filter(|before| *before != message_id) {
            book.faults.push(format!("{text}: acknowledged as {before} and again as {message_id}"));
        }
    }

    /// A tick of an own message, as `viewer` (the sender, or a device of the sender) saw it.
    pub fn status(&self, viewer: &str, text: &str, status: &str, at_ms: Option<u64>) {
        let seen = StatusSeen { status: status.to_owned(), at_ms };
        let mut book = self.book();
        let all = book.statuses.entry((viewer.to_owned(), text.to_owned())).or_default();
        if all.last() != Some(&seen) {
            all.push(seen);
        }
    }

    /// `viewer` saw a new message of `from`. Exactly once is checked at the end, so write down every showing.
    pub fn shown(&self, viewer: &str, from: &str, text: &str, message_id: u64) {
        let shown = Shown { text: text.to_owned(), message_id, at: Instant::now() };
        self.book().shown.entry((viewer.to_owned(), from.to_owned())).or_default().push(shown);
    }

    /// `viewer` was shown a placeholder instead of a message of `from`.
    pub fn undecryptable(&self, viewer: &str, from: &str) {
        self.book().undecryptable.push(format!("{viewer} could not decrypt a message of {from}"));
    }

    /// Takes note of the placeholders so far, for a test that makes some on purpose: they are no faults any more.
    pub fn take_undecryptable(&self) -> Vec<String> {
        std::mem::take(&mut self.book().undecryptable)
    }

    /// Something that must never happen did (a refused repeat, a lost event).
    pub fn fault(&self, what: impl Into<String>) {
        self.book().faults.push(what.into());
    }

    pub fn count_sent(&self) -> usize {
        self.book().sent.len()
    }

    pub fn count_accepted(&self) -> usize {
        self.book().accepted.len()
    }

    pub fn count_shown(&self, viewer: &str) -> usize {
        self.book().shown.iter().filter(|((who, _), _)| who == viewer).map(|(_, shown)| shown.len()).sum()
    }

    pub fn is_accepted(&self, text: &str) -> bool {
        self.book().accepted.contains_key(text)
    }

    /// The ticks of `text` as `viewer` saw them, in order.
    pub fn statuses_of(&self, viewer: &str, text: &str) -> Vec<StatusSeen> {
        self.book().statuses.get(&(viewer.to_owned(), text.to_owned())).cloned().unwrap_or_default()
    }

    /// Acknowledged messages that their recipient (in a group: each of its audience) has not seen yet.
    pub fn missing(&self) -> Vec<String> {
        let book = self.book();
        let seen: HashSet<(&str, &str)> = book
            .shown
            .iter()
            .flat_map(|((viewer, _), shown)| shown.iter().map(|s| (viewer.as_str(), s.text.as_str())))
            .collect();
        let mut missing = Vec::new();
        for Sent { from, to, text, .. } in book.sent.iter().filter(|sent| book.accepted.contains_key(&sent.text)) {
            match book.audiences.get(to) {
                None if seen.contains(&(to.as_str(), text.as_str())) => {}
                None => missing.push(text.clone()),
                Some(audience) => {
                    let must_see = audience.iter().filter(|(_, person)| person != from).map(|(viewer, _)| viewer);
                    let not_seen = must_see.filter(|viewer| !seen.contains(&(viewer.as_str(), text.as_str())));
                    missing.extend(not_seen.map(|viewer| format!("{text} at {viewer}")));
                }
            }
        }
        missing
    }

    /// Every promise at once: nothing acknowledged is missing, nothing is shown twice or without having been sent, every
    /// viewer sees each sender's messages in the order of sending and with rising ids, under the id that was acknowledged.
    pub fn assert_exactly_once_in_order(&self) {
        let mut wrong =
            self.missing().iter().map(|text| format!("{text}: acknowledged, never shown")).collect::<Vec<_>>();
        let book = self.book();
        wrong.extend(book.faults.iter().chain(&book.undecryptable).cloned());
        let order: HashMap<&str, usize> =
            book.sent.iter().enumerate().map(|(at, sent)| (sent.text.as_str(), at)).collect();
        for ((viewer, from), shown) in &book.shown {
            let mut seen = HashSet::new();
            let mut last: Option<(usize, u64, &str)> = None;
            for Shown { text, message_id, at } in shown {
                let Some(&place) = order.get(text.as_str()) else {
                    wrong.push(format!("{text}: shown to {viewer} from {from}, never sent"));
                    continue;
                };
                let sent = &book.sent[place];
                if sent.from != *from {
                    wrong.push(format!("{text}: sent by {}, shown to {viewer} as from {from}", sent.from));
                }
                if *at < sent.at {
                    wrong.push(format!("{text}: shown to {viewer} before it was sent"));
                }
                if !seen.insert(text) {
                    wrong.push(format!("{text}: shown twice to {viewer}"));
                    continue;
                }
                if book.accepted.get(text).is_some_and(|id| id != message_id) {
                    wrong.push(format!("{text}: acknowledged as {:?}, shown as {message_id}", book.accepted.get(text)));
                }
                if let Some((before, id, earlier)) = last {
                    if before > place {
                        wrong.push(format!("{text}: sent before {earlier}, shown after it to {viewer}"));
                    }
                    if id >= *message_id {
                        wrong.push(format!("{text}: id {message_id} after {earlier} with {id}, at {viewer}"));
                    }
                }
                last = Some((place, *message_id, text));
            }
        }
        let shown = wrong.len().min(20);
        assert!(
            wrong.is_empty(),
            "{} broken promises, the first of them:\n  {}",
            wrong.len(),
            wrong[..shown].join("\n  ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn three() -> Ledger {
        let ledger = Ledger::new();
        for (id, text) in [(1, "a#1"), (2, "a#2"), (3, "a#3")] {
            ledger.sent("ann", "bob", text);
            ledger.accepted(text, id);
        }
        ledger
    }

    fn complaint(ledger: Ledger) -> String {
        let panic = catch_unwind(move || ledger.assert_exactly_once_in_order()).expect_err("a complaint");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn holds_when_every_promise_held() {
        let ledger = three();
        for (id, text) in [(1, "a#1"), (2, "a#2"), (3, "a#3")] {
            ledger.shown("bob", "ann", text, id);
        }
        ledger.assert_exactly_once_in_order();
    }

    #[test]
    fn complains_about_each_broken_promise() {
        let cases: [(&[(&str, u64)], &str); 5] = [
            (&[("a#1", 1), ("a#3", 3)], "a#2: acknowledged, never shown"),
            (&[("a#1", 1), ("a#2", 2), ("a#2", 2), ("a#3", 3)], "a#2: shown twice"),
            (&[("a#2", 2), ("a#1", 1), ("a#3", 3)], "a#1: sent before a#2, shown after it"),
            (&[("a#1", 1), ("a#2", 2), ("a#3", 3), ("b#1", 9)], "b#1: shown to bob from ann, never sent"),
            (&[("a#1", 1), ("a#2", 7), ("a#3", 8)], "a#2: acknowledged as Some(2), shown as 7"),
        ];
        for (shown, want) in cases {
            let ledger = three();
            for (text, id) in shown {
                ledger.shown("bob", "ann", text, *id);
            }
            let complaint = complaint(ledger);
            assert!(complaint.contains(want), "{complaint}");
        }
        let ledger = Ledger::new();
        ledger.audience("group", &[("ann", "ann"), ("bob", "bob"), ("tablet", "bob")]);
        ledger.sent("ann", "group", "a#1");
        ledger.accepted("a#1", 1);
        ledger.shown("bob", "ann", "a#1", 1);
        let complaint_of_group = complaint(ledger);
        assert!(complaint_of_group.contains("a#1 at tablet: acknowledged, never shown"), "{complaint_of_group}");
        let ledger = three();
        ledger.accepted("a#1", 5);
        assert!(complaint(ledger).contains("acknowledged as 1 and again as 5"));
    }
}
