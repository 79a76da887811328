//! A profile opened for one run of `sotto`: finding its folder, asking for its passphrase, naming people.

use crate::args::Global;
use crate::failure::{Exit, Failure};
use crate::out::{Out, can_ask};
use crate::text::clean_line;
use sotto_engine::api::{Command, ContactView, Reply, Who};
use sotto_engine_native::{Client, HostConfig, ProfileError, ProfileOptions};
use sotto_types::{AccountId, Conversation, GroupId, Secret, Username};
use std::collections::HashMap;
use std::path::PathBuf;

const PASSPHRASE_TRIES: usize = 3;

#[derive(Debug)]
pub struct Session {
    pub client: Client,
    pub out: Out,
    pub global: Global,
    names: std::sync::Mutex<HashMap<AccountId, Option<Username>>>,
    titles: std::sync::Mutex<HashMap<GroupId, String>>,
}

impl Session {
    pub async fn open(global: Global) -> Result<Self, Failure> {
        let client = open_client(&global).await?;
        let (names, titles) = Default::default();
        Ok(Self { client, out: Out::new(global.json), global, names, titles })
    }

    pub async fn ask(&self, command: Command) -> Result<Reply, Failure> {
        Ok(self.client.command(command).await?)
    }

    /// Shows a reply: as it is with `--json`, else by `show`.
    pub fn show(&self, reply: &Reply, show: impl FnOnce(&Out) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.out.json { self.out.json(reply) } else { show(&self.out) }
    }

    pub fn server(&self) -> Result<String, Failure> {
        server_url(&self.global.server)
    }

    /// The conversation with a person this profile knows, or of a group.
    pub async fn conversation(&self, who: Who) -> Result<Conversation, Failure> {
        match who {
            Who::Account(account) => Ok(account.into()),
            Who::Group(group) => Ok(group.into()),
            Who::Me => match self.ask(Command::WhoAmI).await? {
                Reply::Me { me } => Ok(me.account.into()),
                _ => Err(Failure::unexpected()),
            },
            Who::Name(_) => Ok(self.contact(who).await?.account.into()),
        }
    }

    pub async fn contact(&self, who: Who) -> Result<ContactView, Failure> {
        match self.ask(Command::Contact { who }).await? {
            Reply::Contact { contact } => Ok(contact),
            _ => Err(Failure::unexpected()),
        }
    }

    /// The username of an account, remembered; none if this profile does not know it.
    async fn username(&self, account: AccountId) -> Option<Username> {
        if let Some(name) = self.names.lock().expect("no panic while held").get(&account) {
            return name.clone();
        }
        let name = match self.ask(Command::WhoAmI).await {
            Ok(Reply::Me { me }) if me.account == account => Some(me.username),
            _ => self.contact(Who::Account(account)).await.ok().and_then(|contact| contact.username),
        };
        if name.is_some() {
            self.names.lock().expect("no panic while held").insert(account, name.clone());
        }
        name
    }

    /// The name of a conversation's person; a group has none.
    pub async fn username_of(&self, conversation: Conversation) -> Option<Username> {
        self.username(conversation.peer()?).await
    }

    /// What a group is called, remembered; none for a person, or if nobody has told this device yet.
    pub async fn title_of(&self, conversation: Conversation) -> Option<String> {
        let group = conversation.group()?;
        if let Some(title) = self.titles.lock().expect("no panic while held").get(&group) {
            return Some(title.clone());
        }
        let reply = self.ask(Command::Conversation { conversation }).await;
        let Ok(Reply::Conversation { conversation: view }) = reply else { return None };
        let title = view.group?.title?;
        self.titles.lock().expect("no panic while held").insert(group, title.clone());
        Some(title)
    }

    /// It may be called something else by now.
    pub fn forget_title(&self, conversation: Conversation) {
        if let Some(group) = conversation.group() {
            self.titles.lock().expect("no panic while held").remove(&group);
        }
    }

    /// "@ann", a group's title, or the beginning of the id.
    pub async fn display(&self, conversation: Conversation) -> String {
        if let Some(name) = self.username_of(conversation).await {
            return format!("@{name}");
        }
        match self.title_of(conversation).await {
            Some(title) => clean_line(&title),
            None => conversation.to_string().chars().take(8).collect(),
        }
    }

    pub async fn close(self) {
        self.client.close().await;
    }
}

/// Only http and https; no trailing slash.
pub fn server_url(text: &str) -> Result<String, Failure> {
    let url = text.trim().trim_end_matches('/');
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control()) => Ok(url.into()),
        _ => Err(Failure::usage(format!(
            "{text:?} is no server address: it looks like http://127.0.0.1:8080 or https://chat.example.org"
        ))),
    }
}

pub fn profile_dir(global: &Global) -> Result<PathBuf, Failure> {
    let home = match &global.home {
        Some(home) => home.clone(),
        None => {
            data_folder().ok_or_else(|| Failure::usage("no home folder: say where profiles live with --home DIR"))?
        }
    };
    Ok(home.join(&global.profile))
}

fn data_folder() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(target_os = "macos") {
        return absolute("HOME").map(|home| home.join("Library/Application Support/sotto"));
    }
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("sotto"))
}

/// From the file, or the environment; none means: ask if needed.
pub fn given_passphrase(global: &Global) -> Result<Option<Secret<String>>, Failure> {
    if let Some(path) = &global.passphrase_file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read the passphrase from {}: {error}", path.display())))?;
        return Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_string())));
    }
    Ok(std::env::var("SOTTO_PASSPHRASE").ok().filter(|text| !text.is_empty()).map(Secret::new))
}

pub fn prompt_secret(question: &str) -> Result<Secret<String>, Failure> {
    rpassword::prompt_password(question)
        .map(Secret::new)
        .map_err(|error| Failure::new(Exit::Locked, "passphrase", format!("cannot ask for it: {error}")))
}

pub fn host_config(global: &Global) -> HostConfig {
    HostConfig { tls_ca: global.tls_ca.clone(), ..HostConfig::default() }
}

async fn open_client(global: &Global) -> Result<Client, Failure> {
    let given = given_passphrase(global)?;
    let asking = given.is_none() && can_ask();
    let mut options = ProfileOptions { dir: profile_dir(global)?, passphrase: given, host: host_config(global) };
    let mut tries = 0;
    loop {
        match Client::connect_or_own(options.clone()).await {
            Ok(client) => return Ok(client),
            Err(ProfileError::NeedsPassphrase) if asking => {}
            Err(ProfileError::WrongPassphrase) if asking && tries < PASSPHRASE_TRIES => {
                Out::new(false).note("That is not it.");
            }
            Err(ProfileError::NeedsPassphrase) => {
                let text =
                    "this profile is locked: give its passphrase with SOTTO_PASSPHRASE or --passphrase-file FILE";
                return Err(Failure::new(Exit::Locked, "passphrase", text));
            }
            Err(error) => return Err(error.into()),
        }
        tries += 1;
        options.passphrase = Some(prompt_secret(&format!("Passphrase of profile {}: ", global.profile))?);
    }
}

/// Ctrl-C, or the polite kill. The caller ends what it does; the profile is then flushed and closed.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = of(SignalKind::interrupt()) => {}
        () = of(SignalKind::terminate()) => {}
        () = of(SignalKind::hangup()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses_are_http_or_https() {
        for (text, want) in [
            ("http://127.0.0.1:8080/", Some("http://127.0.0.1:8080")),
            ("https://chat.example.org", Some("https://chat.example.org")),
            ("chat.example.org", None),
            ("ftp://x", None),
            ("http://", None),
            ("http://a b", None),
        ] {
            assert_eq!(server_url(text).ok().as_deref(), want, "{text}");
        }
    }
}
