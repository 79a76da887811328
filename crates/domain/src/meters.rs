use metrics::{Counter, counter};
use sotto_ports::EnvelopeClass;

/// Handles of the counters on the hot paths; made once, after the process has installed its recorder.
pub(crate) struct Meters {
    sends: [Counter; 3],
    pub sends_repeated: Counter,
    pub sends_mismatched: Counter,
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
        let sends = ["message", "control", "resend"].map(|class| counter!("sotto_sends_total", "class" => class));
        Self {
            sends,
            sends_repeated: counter!("sotto_sends_repeated_total"),
            sends_mismatched: counter!("sotto_sends_mismatched_total"),
            undecryptable: counter!("sotto_undecryptable_total"),
            acked: counter!("sotto_acked_total"),
            dead_letters: counter!("sotto_dead_letters_total"),
            suspended: counter!("sotto_devices_suspended_total"),
            sign_ins: counter!("sotto_sign_ins_total"),
            bundles: counter!("sotto_prekey_bundles_total"),
            bundles_last_resort: counter!("sotto_prekey_bundles_last_resort_total"),
        }
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
