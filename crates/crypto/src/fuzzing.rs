//! Entries for fuzz targets: decoders that stand behind an encryption which anybody can make.

use crate::provisioning::{Provisioning, ProvisioningError, parse_provisioning};

/// What is inside an answer to a link. Whoever saw the QR code can seal any bytes for it.
pub fn provisioning(plaintext: &[u8]) -> Result<Provisioning, ProvisioningError> {
    parse_provisioning(plaintext)
}
