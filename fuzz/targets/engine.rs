//! A registered device, and a script of what others may say to it: decrypted contents (history chunks, syncs, retries) of a
//! sibling and of a contact, server frames, HTTP answers, commands of attached processes, time. No step looks like failed
//! storage, and all that was stored can be shown after a restart. The script's form is in `crates/engine/src/fuzzing.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sotto_engine::fuzzing::Device;

thread_local!(static DEVICE: Device = Device::new());

fuzz_target!(|data: &[u8]| DEVICE.with(|device| drop(device.run(data))));
