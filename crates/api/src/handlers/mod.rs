//! One thin function per endpoint: body in, domain call, body out.

pub(crate) mod accounts;
pub(crate) mod devices;
pub(crate) mod groups;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod people;
pub(crate) mod recovery;
pub(crate) mod sign_in;
