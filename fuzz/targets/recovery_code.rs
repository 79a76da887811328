//! Any text as a recovery code, and any bytes as a backup: an error, or a code whose text reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_crypto::RecoveryCode;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Ok(code) = RecoveryCode::parse(&text) else { return };
    assert!(RecoveryCode::parse(code.to_text().expose()) == Ok(code.clone()), "its own text is refused");
    assert!(code.open(data).is_err(), "nobody sealed this");
});
