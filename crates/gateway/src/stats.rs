//! Metrics of the gateway. Handles are made once: looking a name up costs more than counting.

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use sotto_types::ErrorCode;

pub(crate) struct Stats {
    pub(crate) connections: Gauge,
    pub(crate) frames_in: Counter,
    pub(crate) entries_out: Counter,
    pub(crate) window_pauses: Counter,
    pub(crate) hello_timeouts: Counter,
    pub(crate) heartbeats_missed: Counter,
    pub(crate) write_stalls: Counter,
    pub(crate) online: Gauge,
    pub(crate) subscriptions: Gauge,
    pub(crate) heartbeats: Counter,
    pub(crate) presence_out: Counter,
    pub(crate) typing_out: Counter,
    pub(crate) commit_to_push: Histogram,
    pub(crate) commit_to_ack: Histogram,
}

impl std::fmt::Debug for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stats")
    }
}

impl Default for Stats {
    fn default() -> Self {
        describe_gauge!("sotto_connections", "Open WebSocket connections, signed in or not.");
        describe_counter!("sotto_connections_refused_total", "Connections refused, by reason.");
        describe_counter!("sotto_connections_replaced_total", "Connections closed because the device connected again.");
        describe_counter!("sotto_frames_in_total", "WebSocket frames received.");
        describe_counter!("sotto_entries_pushed_total", "Inbox entries pushed to devices.");
        describe_counter!("sotto_window_pauses_total", "Times that a delivery window was full.");
        describe_counter!("sotto_hello_timeouts_total", "Connections without a Hello in time.");
        describe_counter!("sotto_heartbeats_missed_total", "Connections closed because nothing was heard of them.");
        describe_counter!("sotto_write_stalls_total", "Connections closed because they took no bytes.");
        describe_gauge!("sotto_online_accounts", "Accounts in the foreground.");
        describe_gauge!("sotto_presence_subscriptions", "People that connections are subscribed to, all together.");
        describe_counter!("sotto_heartbeats_total", "Heartbeats received.");
        describe_counter!("sotto_presence_pushed_total", "States of people told to subscribers.");
        describe_counter!("sotto_typing_pushed_total", "Typing notices given to connections.");
        describe_counter!("sotto_rejects_total", "Errors given to clients, by reason.");
        describe_histogram!("sotto_commit_to_push_seconds", "From the commit of an entry to its frame.");
        describe_histogram!("sotto_commit_to_ack_seconds", "From the commit of an entry to its ack.");
        Self {
            connections: gauge!("sotto_connections"),
            frames_in: counter!("sotto_frames_in_total"),
            entries_out: counter!("sotto_entries_pushed_total"),
            window_pauses: counter!("sotto_window_pauses_total"),
            hello_timeouts: counter!("sotto_hello_timeouts_total"),
            heartbeats_missed: counter!("sotto_heartbeats_missed_total"),
            write_stalls: counter!("sotto_write_stalls_total"),
            online: gauge!("sotto_online_accounts"),
            subscriptions: gauge!("sotto_presence_subscriptions"),
            heartbeats: counter!("sotto_heartbeats_total"),
            presence_out: counter!("sotto_presence_pushed_total"),
            typing_out: counter!("sotto_typing_pushed_total"),
            commit_to_push: histogram!("sotto_commit_to_push_seconds"),
            commit_to_ack: histogram!("sotto_commit_to_ack_seconds"),
        }
    }
}

impl Stats {
    pub(crate) fn rejected(code: ErrorCode) {
        counter!("sotto_rejects_total", "reason" => code.slug()).increment(1);
    }

    pub(crate) fn refused(reason: &'static str) {
        counter!("sotto_connections_refused_total", "reason" => reason).increment(1);
    }
}
