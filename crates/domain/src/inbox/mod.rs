//! Messages: sends, deliveries, acknowledgements, read positions, expiry.

mod ack;
mod connect;
mod expire;
mod read;
mod send;

pub use ack::{AckedEntry, EntryHeader};
pub use connect::ConnectionFacts;
pub(crate) use expire::ExpiryCursor;
pub use send::{DirectCiphertext, DirectSend, SendRefused};
pub(crate) use send::{check_ciphertexts, check_sender, fits, push_entries};

use crate::{Domain, Refusal};
use sotto_types::{AccountId, Conversation, DeviceAddress};

impl Domain {
    /// The devices of an account that receipts and failures go to, each with the conversation as it sees it.
    pub(crate) async fn notices(
        &self,
        to: AccountId,
        conversation: Conversation,
        except: Option<DeviceAddress>,
    ) -> Result<Vec<(DeviceAddress, Conversation)>, Refusal> {
        let Some(routing) = self.parts.directory.routing(to).await? else { return Ok(Vec::new()) };
        let open = routing.devices.iter().filter(|(_, _, suspended)| !suspended);
        Ok(open
            .map(|(device, ..)| DeviceAddress::new(to, *device))
            .filter(|address| Some(*address) != except)
            .map(|address| (address, conversation))
            .collect())
    }
}
