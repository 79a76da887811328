//! Suites that hold every adapter to the contracts. An adapter's tests call the macros with a function that makes a fresh
//! subject; the calling crate needs `tokio` with its macros.
//! ```text
//! sotto_ports::inbox_conformance!(embedded);           // fn embedded(feed: Arc<dyn EntryFeed>) -> Subject
//! sotto_ports::ephemeral_conformance!(redis);          // fn redis(max_values: usize) -> Arc<dyn EphemeralStore>
//! sotto_ports::presence_conformance!(redis);           // fn redis() -> Nodes
//! sotto_ports::durable_conformance!(folder);           // fn folder() -> Reopen
//! ```
//! Elsewhere: `model` runs the same random history on two subjects and compares everything that can be seen.

#![allow(clippy::unwrap_used, reason = "these are tests, compiled as a library so that adapters can call them")]

pub mod directory;
pub mod durable;
pub mod ephemeral;
pub mod groups;
pub mod inbox;
pub mod meta;
pub mod model;
pub mod people;
pub mod prekeys;
pub mod presence;
pub mod reports;
pub mod stays;
mod world;

pub use world::{Recorder, World};

use crate::{
    DirectoryStore, EntryFeed, GroupStore, InboxStore, MetaStore, PeopleStore, PreKeyStore, PresenceFeed,
    PresenceStore, ReportStore,
};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The ports of one node under test, which share accounts: an inbox looks devices up, unlinking clears prekeys.
#[derive(Clone)]
pub struct Subject {
    pub inbox: Arc<dyn InboxStore>,
    pub groups: Arc<dyn GroupStore>,
    pub directory: Arc<dyn DirectoryStore>,
    pub people: Arc<dyn PeopleStore>,
    pub reports: Arc<dyn ReportStore>,
    pub prekeys: Arc<dyn PreKeyStore>,
    pub meta: Arc<dyn MetaStore>,
    /// Dropped last: a temporary folder, a container.
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Subject {
    /// All ports backed by one store.
    pub fn of<S>(store: S, keep: impl Any + Send + Sync) -> Self
    where
        S: InboxStore + GroupStore + DirectoryStore + PeopleStore + ReportStore + PreKeyStore + MetaStore + 'static,
    {
        let store = Arc::new(store);
        Self {
            inbox: store.clone(),
            groups: store.clone(),
            directory: store.clone(),
            people: store.clone(),
            reports: store.clone(),
            prekeys: store.clone(),
            meta: store,
            _keep: Arc::new(keep),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject")
    }
}

/// Makes the nodes of one cluster, each with its feed; to make one again is to restart it. What it keeps lives no longer than
/// the last clone.
pub type Nodes = Box<dyn Fn(Arc<dyn PresenceFeed>) -> Arc<dyn PresenceStore> + Send + Sync>;

/// Opens the same data each time; the subject before must have been dropped.
pub type Reopen = Box<dyn Fn(Arc<dyn EntryFeed>) -> Subject + Send + Sync>;

/// One test function per promise.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($module:ident, $make:expr, $($test:ident)*) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    $crate::conformance::$module::$test($make).await;
                }
            )*
        }
    };
}

/// Tests of `InboxStore`.
#[macro_export]
macro_rules! inbox_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { inbox, $make,
            a_send_reaches_each_device_once
            a_repeat_gets_the_first_answer
            racing_repeats_store_one_send
            an_empty_send_has_an_id_and_a_record
            the_same_client_id_of_two_devices_is_two_sends
            a_device_named_twice_is_refused
            ids_pass_seen_up_to_a_minute_ahead
            ids_and_times_never_fall_with_the_clock
            a_changed_list_refuses_the_send_without_a_trace
            sends_racing_an_unlink_leave_nothing_behind
            reads_page_by_entries_and_bytes
            get_returns_what_still_exists
            settle_removes_exactly_what_it_names
            a_watermark_only_rises
            receipts_merge_under_a_new_id
            a_receipt_keeps_its_newest_steps
            an_acked_receipt_begins_anew
            notices_for_unlisted_devices_are_dropped
            racing_watermarks_leave_one_receipt
            the_feed_hears_each_entry_in_order_before_the_answer
            expired_entries_are_found_in_rounds_and_buried_once
            what_was_acked_meanwhile_has_not_failed
            old_sends_are_forgotten_young_ones_kept
            depth_counts_up_to_its_limit
        }
    };
}

/// Tests of `GroupStore`.
#[macro_export]
macro_rules! groups_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { groups, $make,
            a_new_group_reads_back
            of_racing_operations_one_wins
            an_operation_replaces_what_it_brings
            a_message_needs_the_current_roster
            racing_messages_and_operations_keep_their_order
            a_repeat_gets_the_first_answer
            racing_repeats_log_one_message
            ids_rise_past_what_was_seen_and_entries_chain
            device_changes_raise_rosters_and_begin_cursors
            suspended_disabled_and_deleted_accounts_raise_rosters
            a_device_made_again_begins_anew
            memberships_begin_end_and_begin_anew
            a_member_without_an_account_has_no_membership
            an_account_is_in_so_many_groups_at_most
            a_log_reads_in_pages
            operations_read_from_a_revision
            cursors_and_marks_only_rise
            racing_settles_leave_the_highest
            settling_passes_over_what_is_not_there
            the_feed_hears_a_log_in_order_before_the_answer
            trimming_keeps_operations_and_the_chain
            trimming_forgets_memberships_that_ended
            a_pairwise_message_needs_the_current_roster
        }
        $crate::conformance_tests! { stays, $make,
            earlier_stays_wait_for_every_device
            a_renewed_member_keeps_what_it_has_not_read
            an_account_has_so_many_unread_stays_at_most
            stays_are_trimmed_one_by_one
            a_forgotten_account_is_a_member_again
        }
    };
}

/// Tests of `DirectoryStore`.
#[macro_export]
macro_rules! directory_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { directory, $make,
            a_new_account_reads_back
            of_racing_registrations_of_a_name_one_wins
            an_account_id_is_used_once
            an_invite_is_used_exactly_as_often_as_it_says
            a_device_change_replaces_list_and_devices
            of_racing_list_changes_one_wins
            a_device_made_again_begins_empty
            a_new_identity_brings_new_keys
            touching_never_lowers_the_time
            last_seen_only_rises_and_goes_with_the_account
            absent_devices_are_suspended_once
            recovery_and_disabling_change_what_is_there
            a_deleted_account_leaves_its_name_only
            accounts_are_listed_in_pages
            blocks_are_kept_per_owner
        }
    };
}

/// Tests of `PeopleStore`, and of what an `Advance` does for contacts only.
#[macro_export]
macro_rules! people_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { people, $make,
            contacts_are_kept_per_owner
            only_contacts_are_told_of_watermarks
            a_new_contact_is_told_where_the_watermarks_are
            a_contact_made_while_acks_run_misses_nothing
            settings_change_from_their_last_version_only
            a_profile_is_replaced_by_a_higher_version_only
            a_deleted_account_leaves_what_others_own
        }
    };
}

/// Tests of `ReportStore`.
#[macro_export]
macro_rules! reports_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { reports, $make,
            reports_are_kept_until_resolved
            the_oldest_resolved_one_makes_room
            racing_reports_are_all_kept
            a_deleted_account_takes_its_reports_along
        }
    };
}

/// Tests of `PreKeyStore`.
#[macro_export]
macro_rules! prekey_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { prekeys, $make,
            bundles_hand_out_the_lowest_ids_then_the_last_resort
            racing_takers_never_share_a_one_time_key
            only_complete_listed_active_devices_have_bundles
            a_handed_out_id_does_not_come_back
            an_upload_changes_only_what_it_has
            at_most_200_of_a_kind_are_kept
            a_replacing_upload_begins_anew
            an_unlisted_device_stores_nothing
        }
    };
}

/// Tests of `MetaStore`.
#[macro_export]
macro_rules! meta_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { meta, $make,
            values_are_put_and_replaced
            of_racing_new_values_one_is_agreed_on
            the_first_generation_is_one
        }
    };
}

/// Tests of `EphemeralStore`.
#[macro_export]
macro_rules! ephemeral_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { ephemeral, $make,
            a_value_lives_until_its_expiry
            replacing_keeps_the_expiry
            of_racing_takers_one_gets_it
            of_racing_putters_one_succeeds
            a_full_store_keeps_what_it_has
        }
    };
}

/// Tests of `PresenceStore`.
#[macro_export]
macro_rules! presence_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { presence, $make,
            who_is_here_is_online_until_the_lease_ends
            a_heartbeat_extends_the_lease
            the_background_is_told_at_once
            an_account_is_online_while_any_device_is
            the_newest_connection_of_a_device_speaks_for_it
            last_seen_is_when_any_device_was_last_heard_of
            only_what_is_watched_is_told_and_every_end
            watching_is_counted
            changes_are_told_in_order_each_other_than_the_one_before
            racing_devices_leave_the_truth
            a_clock_that_jumps_keeps_nobody_here
            a_pause_of_the_ticks_loses_nobody
            a_restart_forgets_within_a_lease
        }
    };
}

/// Tests of what survives reopening, for adapters that persist.
#[macro_export]
macro_rules! durable_conformance {
    ($home:expr) => {
        $crate::conformance_tests! { durable, $home,
            sends_and_their_answers_survive
            ids_rise_across_reopening_even_if_the_clock_fell
            acks_and_watermarks_survive
            accounts_and_devices_survive
            a_one_time_key_stays_taken
            buried_entries_stay_buried
            groups_and_their_logs_survive
            cursors_marks_and_memberships_survive
            meta_survives
            contacts_settings_profiles_and_reports_survive
        }
    };
}
