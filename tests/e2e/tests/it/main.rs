//! The real programs, together. One program: each file by itself would be linked with all of it again.

mod blindness;
mod chat;
mod cli;
mod client_crash;
mod devices;
mod groups;
mod groups_cli;
mod groups_crash;
mod hostile;
mod hostile_server;
mod offline;
mod people;
mod requests_cli;
mod restore;
mod retry;
mod server_crash;
mod slow_reader;
