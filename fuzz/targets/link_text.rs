//! Any text as a link code: an error, or an invitation with exactly this text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::provisioning::LinkInvitation;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(invitation) = LinkInvitation::parse(text) {
        assert_eq!(invitation.to_text(), text.trim());
    }
});
