//! Sign-in: a device signs a challenge with its auth key and gets an access token.
//! Flow: `challenge` (nothing stored) -> the device signs -> `sign_in` -> token -> `authenticate` on every request.
//! Elsewhere: recovery challenges are made and checked by the same code, for `account::recovery`.

pub(crate) mod authenticate;
mod challenge;
mod token;

pub use authenticate::SignedIn;
pub use challenge::NewChallenge;
pub(crate) use challenge::{ChallengeEpoch, ChallengeOf};
pub use token::AccessToken;
pub(crate) use token::TokenKeys;
