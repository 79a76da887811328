use metrics::{Counter, counter, describe_counter};
use sotto_ports::EnvelopeClass;

/// Handles of the counters on the hot paths; made once, after the process has installed its recorder.
pub(crate) struct Meters {
    sends: [Counter; 3],
    group_sends: [Counter; 2],
    pub sends_repeated: Counter,
    pub sends_mismatched: Counter,
    pub sends_stale: Counter,
    pub group_operations: Counter,
    pub group_acks: Counter,
    pub undecryptable: Counter,
    pub acked: Counter,
    pub dead_letters: Counter,
    pub suspended: Counter,
    pub sign_ins: Counter,
    pub bundles: Counter,
    pub bundles_last_resort: Counter,
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

impl Meters {
    pub fn new() -> Self {
        describe_counter!("sotto_refusals_total", "Requests and frames refused by the domain, by reason.");
        describe_counter!("sotto_sends_total", "Sends committed, by class.");
        describe_counter!("sotto_sends_repeated_total", "Sends answered from their dedup record.");
        describe_counter!("sotto_sends_mismatched_total", "Sends refused because device lists changed.");
        describe_counter!("sotto_group_sends_total", "Messages to groups committed, by class.");
        describe_counter!("sotto_sends_stale_total", "Messages to groups refused because the group had changed.");
        describe_counter!("sotto_group_operations_total", "Operations on groups committed.");
        describe_counter!("sotto_group_acks_total", "Group cursors that devices acknowledged.");
        describe_counter!("sotto_undecryptable_total", "Entries that devices reported as undecryptable.");
        describe_counter!("sotto_acked_total", "Entries acknowledged as stored.");
        describe_counter!("sotto_dead_letters_total", "Messages that nobody took within 30 days.");
        describe_counter!("sotto_devices_suspended_total", "Devices suspended after 30 days of absence.");
        describe_counter!("sotto_sign_ins_total", "Access tokens issued.");
        describe_counter!("sotto_prekey_bundles_total", "Prekey bundles handed out.");
        describe_counter!("sotto_prekey_bundles_last_resort_total", "Those without a one-time Kyber key.");
        let sends = ["message", "control", "resend"].map(|class| counter!("sotto_sends_total", "class" => class));
        let group_sends = ["message", "control"].map(|class| counter!("sotto_group_sends_total", "class" => class));
        Self {
            sends,
            group_sends,
            sends_repeated: counter!("sotto_sends_repeated_total"),
            sends_mismatched: counter!("sotto_sends_mismatched_total"),
            sends_stale: counter!("sotto_sends_stale_total"),
            group_operations: counter!("sotto_group_operations_total"),
            group_acks: counter!("sotto_group_acks_total"),
            undecryptable: counter!("sotto_undecryptable_total"),
            acked: counter!("sotto_acked_total"),
            dead_letters: counter!("sotto_dead_letters_total"),
            suspended: counter!("sotto_devices_suspended_total"),
            sign_ins: counter!("sotto_sign_ins_total"),
            bundles: counter!("sotto_prekey_bundles_total"),
            bundles_last_resort: counter!("sotto_prekey_bundles_last_resort_total"),
        }
    }

    pub fn sent_to_group(&self, class: EnvelopeClass) {
        let [message, control] = &self.group_sends;
        if class == EnvelopeClass::Message { message } else { control }.increment(1);
    }

    pub fn sent(&self, class: EnvelopeClass) {
        let [message, control, resend] = &self.sends;
        match class {
            EnvelopeClass::Message => message,
            EnvelopeClass::Control => control,
            EnvelopeClass::Resend => resend,
        }
        .increment(1);
    }
}
