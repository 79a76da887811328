//! What one device got of its groups, and what it should have got.
//! Always true: a message that is missing, came twice, came out of the order of ids, or came on top of another entry than the
//! log says, is counted; what no member sent, or was meant for another, ends the run.

use super::cipher::{ALL, Header};
use super::{Party, Sent, Strategy};
use crate::frames::group::LogEntry;
use crate::frames::{Envelope, Incoming, shown_account};
use crate::link::unexpected;
use crate::tally::{FromSender, Tally};
use anyhow::{Result, bail, ensure};

#[derive(Debug, Default)]
struct Log {
    /// The last entry.
    cursor: u64,
    /// Own messages that came back, without their content.
    echoes: u64,
}

/// A small map, one per device: few entries in one piece of memory, found by comparing. A thousand hash maps are a thousand
/// times two more places to fetch, for each message.
#[derive(Debug)]
struct Sorted<K, V>(Vec<(K, V)>);

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V: Default> Sorted<K, V> {
    fn find(&self, key: K) -> Result<usize, usize> {
        self.0.binary_search_by_key(&key, |(key, _)| *key)
    }

    fn get(&self, key: K) -> Option<&V> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// Made if it is not there.
    fn entry(&mut self, key: K) -> &mut V {
        let at = self.find(key).unwrap_or_else(|at| {
            self.0.insert(at, (key, V::default()));
            at
        });
        &mut self.0[at].1
    }
}

#[derive(Debug)]
pub struct Ledger {
    number: u32,
    /// By group.
    logs: Sorted<u32, Log>,
    /// By group and sender.
    from: Sorted<(u32, u32), FromSender>,
    last_copy: u64,
    /// Messages that came for the first time, own ones too.
    pub received: u64,
    broken: Tally,
}

impl Ledger {
    pub fn new(number: u32) -> Self {
        Self {
            number,
            logs: Sorted::default(),
            from: Sorted::default(),
            last_copy: 0,
            received: 0,
            broken: Tally::default(),
        }
    }

    /// What comes to a device that waits for no answer; a message in it, if it is another's and new.
    pub fn take_incoming(&mut self, party: &Party, incoming: Incoming<'_>) -> Result<Option<Header>> {
        match incoming {
            Incoming::LogEntry(entry) => self.take_entry(party, &entry),
            Incoming::Envelope(envelope) => self.take_copy(party, &envelope),
            Incoming::OtherEntry { .. } | Incoming::Drained | Incoming::HeartbeatAck => Ok(None),
            Incoming::Accepted { .. } => bail!("an answer to a send that was never made"),
            Incoming::Other(frame) => unexpected(&frame).map(|()| None),
        }
    }

    /// An entry of a log; the message in it, if it is another's and new.
    fn take_entry(&mut self, party: &Party, entry: &LogEntry<'_>) -> Result<Option<Header>> {
        let group = party.find(entry.group)?;
        let log = self.logs.entry(group);
        let is_next = entry.message_id > log.cursor;
        if is_next && entry.previous != log.cursor {
            self.broken.disorder += 1;
        }
        log.cursor = entry.message_id.max(log.cursor);
        if entry.is_operation || entry.sender == party.card(self.number)?.account.as_bytes() {
            ensure!(entry.ciphertext.is_empty(), "a device's own message came back with its content");
            match (is_next, entry.is_operation) {
                (false, _) => self.broken.duplicates += 1,
                (true, true) => {}
                (true, false) => {
                    log.echoes += 1;
                    self.received += 1;
                }
            }
            return Ok(None);
        }
        let header = party.check(entry.ciphertext)?;
        ensure!((header.group, header.recipient) == (group, ALL), "a message came through the log of another group");
        self.take(party, &header, entry.sender, entry.message_id)
    }

    /// An inbox copy of a group's message; the message, if it is new.
    fn take_copy(&mut self, party: &Party, envelope: &Envelope<'_>) -> Result<Option<Header>> {
        let header = party.check(envelope.ciphertext)?;
        let group = party.find(envelope.group)?;
        ensure!(
            (header.group, header.recipient) == (group, self.number),
            "a copy for another came to member {}",
            self.number
        );
        let first = self.take(party, &header, envelope.sender, envelope.message_id)?;
        if first.is_some() && envelope.message_id < self.last_copy {
            self.broken.disorder += 1;
        }
        self.last_copy = envelope.message_id.max(self.last_copy);
        Ok(first)
    }

    fn take(&mut self, party: &Party, header: &Header, sender: &[u8], message_id: u64) -> Result<Option<Header>> {
        let said = party.card(header.sender)?.account;
        ensure!(said.as_bytes() == sender, "a message of {said} came as one of {}", shown_account(sender));
        let first = self.from.entry((header.group, header.sender)).see(header.seq, message_id);
        self.received += u64::from(first);
        Ok(first.then_some(*header))
    }

    /// How many of these messages should be in `received`.
    pub fn expects(&self, party: &Party, sent: &[Sent]) -> u64 {
        sent.iter().filter(|sent| self.is_due(party, sent)).map(|sent| sent.count).sum()
    }

    fn is_due(&self, party: &Party, sent: &Sent) -> bool {
        let is_member = party.groups.get(sent.group as usize).is_some_and(|group| group.members.contains(&self.number));
        is_member && (sent.sender != self.number || party.strategy == Strategy::Log)
    }

    /// The verdict once nothing more will come.
    pub fn verdict(&self, party: &Party, sent: &[Sent]) -> Tally {
        let mut tally = self.broken;
        for due in sent.iter().filter(|sent| self.is_due(party, sent)) {
            if due.sender == self.number {
                let echoes = self.logs.get(due.group).map_or(0, |log| log.echoes);
                tally.missing += due.count.saturating_sub(echoes);
            } else if let Some(from) = self.from.get((due.group, due.sender)) {
                tally.add(from.verdict(due.count, |_| true));
            } else {
                tally.missing += due.count;
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{Card, Made};
    use sotto_types::AccountId;

    const SELF: u32 = 1;
    const SENDERS: [u32; 2] = [0, 2];

    fn party(strategy: Strategy) -> Party {
        let card = |number: u8| Card {
            account: AccountId::from_bytes([number + 1; 16]),
            identity_key: Vec::new().into(),
            registration_id: 1,
        };
        let group = |number: u8| Made { id: [number + 10; 32], roster: 1, members: vec![0, 1, 2] };
        Party::new(strategy, (0..3).map(card).collect(), (0..2).map(group).collect(), "run", 20)
    }

    fn header(recipient: u32, sender: u32, seq: u64) -> Header {
        Header { group: 0, sender, recipient, seq, since_ns: 5 }
    }

    /// A log of messages (sender, number), each entry with the id of its place. Delivered in the order of `places`.
    fn check_log(log: &[(u32, u64)], places: &[usize], want: [u64; 3]) {
        let party = party(Strategy::Log);
        let mut ledger = Ledger::new(SELF);
        for place in places {
            let (sender, seq) = log[*place];
            let ciphertext = if sender == SELF {
                Default::default()
            } else {
                party.ciphertext(&header(ALL, sender, seq)).expect("made")
            };
            let entry = LogEntry {
                group: &[10; 32],
                message_id: 10 * (*place as u64 + 1),
                previous: 10 * *place as u64,
                sender: party.cards[sender as usize].account.as_bytes(),
                is_operation: false,
                ciphertext: &ciphertext,
            };
            ledger.take_entry(&party, &entry).expect("well formed");
        }
        let count = |sender| log.iter().filter(|(of, _)| *of == sender).count() as u64;
        let sent: Vec<_> = (0..3).map(|sender| Sent { group: 0, sender, count: count(sender) }).collect();
        let [missing, duplicates, disorder] = want;
        let clean = want == [0; 3];
        assert_eq!(ledger.verdict(&party, &sent), Tally { missing, duplicates, disorder }, "{places:?}");
        assert_eq!(ledger.received == ledger.expects(&party, &sent), missing == 0, "{places:?}");
        assert!(!clean || ledger.received == log.len() as u64);
    }

    #[test]
    fn what_is_missing_doubled_or_misplaced_in_a_log_is_counted() {
        let log = [(0, 0), (2, 0), (0, 1), (SELF, 0), (2, 1)];
        check_log(&log, &[0, 1, 2, 3, 4], [0, 0, 0]);
        check_log(&log, &[0, 1, 2, 3, 4, 4], [0, 1, 0]);
        check_log(&log, &[0, 1, 2, 3, 3, 4], [0, 1, 0]);
        check_log(&log, &[0, 1, 2, 3], [1, 0, 0]);
        // Whatever is left out in the middle also breaks the chain.
        check_log(&log, &[0, 2, 3, 4], [1, 0, 1]);
        check_log(&log, &[0, 1, 2, 4], [1, 0, 1]);
        check_log(&log, &[], [5, 0, 0]);
    }

    #[test]
    fn a_swap_is_never_clean() {
        let log = [(0, 0), (2, 0), (0, 1), (0, 2)];
        for places in [[1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]] {
            let party = party(Strategy::Log);
            let mut ledger = Ledger::new(SELF);
            for place in places {
                let (sender, seq) = log[place];
                let ciphertext = party.ciphertext(&header(ALL, sender, seq)).expect("made");
                let entry = LogEntry {
                    group: &[10; 32],
                    message_id: place as u64 + 1,
                    previous: place as u64,
                    sender: party.cards[sender as usize].account.as_bytes(),
                    is_operation: false,
                    ciphertext: &ciphertext,
                };
                ledger.take_entry(&party, &entry).expect("well formed");
            }
            let sent = [Sent { group: 0, sender: 0, count: 3 }, Sent { group: 0, sender: 2, count: 1 }];
            let tally = ledger.verdict(&party, &sent);
            assert!(tally.disorder > 0 && tally.missing == 0, "{places:?}: {tally:?}");
        }
    }

    /// Copies (sender, number, id) in the order in which they come.
    fn check_copies(copies: &[(u32, u64, u64)], sent: [u64; 2], want: [u64; 3]) {
        let party = party(Strategy::Pairwise);
        let mut ledger = Ledger::new(SELF);
        for (sender, seq, message_id) in copies {
            let ciphertext = party.ciphertext(&header(SELF, *sender, *seq)).expect("made");
            let envelope = Envelope {
                entry_id: *message_id,
                sender: party.cards[*sender as usize].account.as_bytes(),
                message_id: *message_id,
                r#type: 1,
                ciphertext: &ciphertext,
                group: &[10; 32],
            };
            ledger.take_copy(&party, &envelope).expect("well formed");
        }
        // Its own message is no copy of its own, and another group's is none of its business.
        let own = [Sent { group: 0, sender: SELF, count: 9 }, Sent { group: 7, sender: 0, count: 9 }];
        let others = SENDERS.iter().zip(sent).map(|(sender, count)| Sent { group: 0, sender: *sender, count });
        let sent: Vec<_> = others.chain(own).collect();
        let [missing, duplicates, disorder] = want;
        assert_eq!(ledger.verdict(&party, &sent), Tally { missing, duplicates, disorder }, "{copies:?}");
    }

    #[test]
    fn what_is_missing_doubled_or_misplaced_in_an_inbox_is_counted() {
        check_copies(&[(0, 0, 1), (2, 0, 2), (0, 1, 3)], [2, 1], [0, 0, 0]);
        check_copies(&[(0, 0, 1), (2, 0, 2)], [2, 1], [1, 0, 0]);
        check_copies(&[(0, 0, 1), (0, 0, 1), (2, 0, 2)], [1, 1], [0, 1, 0]);
        check_copies(&[(2, 0, 2), (0, 0, 1)], [1, 1], [0, 0, 1]);
    }

    #[test]
    fn what_was_meant_for_another_ends_the_run() {
        let party = party(Strategy::Log);
        let mut ledger = Ledger::new(SELF);
        let ciphertext = party.ciphertext(&header(ALL, 0, 0)).expect("made");
        let entry = |group: &'static [u8], sender: &'static [u8]| LogEntry {
            group,
            message_id: 1,
            previous: 0,
            sender,
            is_operation: false,
            ciphertext: &ciphertext,
        };
        let mut fails = |entry| ledger.take_entry(&party, &entry).is_err();
        assert!(fails(entry(&[11; 32], &[1; 16])), "another group's log");
        assert!(fails(entry(&[99; 32], &[1; 16])), "no group of this run");
        assert!(fails(entry(&[10; 32], &[3; 16])), "another sender");
        assert!(fails(entry(&[10; 32], &[2; 16])), "an own message with content");
        assert!(!fails(entry(&[10; 32], &[1; 16])));
        let copy = party.ciphertext(&header(2, 0, 0)).expect("made");
        let envelope =
            Envelope { entry_id: 1, sender: &[1; 16], message_id: 1, r#type: 1, ciphertext: &copy, group: &[10; 32] };
        assert!(ledger.take_copy(&party, &envelope).is_err(), "another recipient");
    }
}
