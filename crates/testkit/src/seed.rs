//! Seeded randomness of a test: `SOTTO_SEED=123 cargo test ...` repeats the choices of a failed run.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// What tests draw from.
pub type TestRng = ChaCha20Rng;

/// Prints itself when the test that holds it fails.
#[derive(Debug)]
pub struct Seed(u64);

impl Seed {
    /// From `SOTTO_SEED`, else a new one.
    pub fn new() -> Self {
        let given = std::env::var("SOTTO_SEED").ok();
        let seed = given.map(|text| text.parse().expect("SOTTO_SEED is a number"));
        Self(seed.unwrap_or_else(rand::random))
    }

    pub fn value(&self) -> u64 {
        self.0
    }

    /// One independent stream per use.
    pub fn rng(&self, stream: u64) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::seed_from_u64(self.0);
        rng.set_stream(stream);
        rng
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with SOTTO_SEED={}", self.0);
        }
    }
}

/// True in the long versions (`make soak`).
pub fn soak() -> bool {
    std::env::var_os("SOTTO_SOAK").is_some_and(|value| value != "0" && !value.is_empty())
}

/// `ci` normally, `long` under `SOTTO_SOAK=1`.
pub fn rounds(ci: usize, long: usize) -> usize {
    if soak() { long } else { ci }
}
