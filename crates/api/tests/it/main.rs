//! The API as a client meets it: requests in, answers out, over memory stores.

mod bed;
mod documents;
mod flows;
mod hostile;
