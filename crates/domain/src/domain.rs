use crate::config::{DomainConfig, RegistrationPolicy};
use crate::connections::Connections;
use crate::devices::{IdLocks, LinkWaiters};
use crate::groups::{CursorBook, States};
use crate::limiter::Limiter;
use crate::meters::Meters;
use crate::people::People;
use crate::restored::Restored;
use crate::secrets::ServerSecret;
use crate::sign_in::{ChallengeEpoch, TokenKeys};
use crate::sweep::SweepCursor;
use sotto_ports::{
    DirectoryStore, EphemeralStore, GroupStore, InboxStore, MetaStore, PeopleStore, PreKeyStore, ReportStore,
    StoreError,
};
use sotto_types::{Clock, Timestamp};
use std::fmt;
use std::sync::Arc;

/// What a domain works on. One node may give the same store for all of them.
#[derive(Clone)]
pub struct DomainParts {
    pub inbox: Arc<dyn InboxStore>,
    pub directory: Arc<dyn DirectoryStore>,
    pub people: Arc<dyn PeopleStore>,
    pub reports: Arc<dyn ReportStore>,
    pub groups: Arc<dyn GroupStore>,
    pub prekeys: Arc<dyn PreKeyStore>,
    pub meta: Arc<dyn MetaStore>,
    pub ephemeral: Arc<dyn EphemeralStore>,
    pub clock: Arc<dyn Clock>,
    pub connections: Arc<dyn Connections>,
}

impl fmt::Debug for DomainParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainParts")
    }
}

/// The server's decisions over its stores; one for the whole process. See the crate's documentation.
#[derive(Debug)]
pub struct Domain {
    pub(crate) parts: DomainParts,
    pub(crate) config: DomainConfig,
    pub(crate) limiter: Limiter,
    pub(crate) secret: ServerSecret,
    pub(crate) epoch: ChallengeEpoch,
    pub(crate) tokens: TokenKeys,
    pub(crate) restored: Restored,
    pub(crate) link_waiters: LinkWaiters,
    pub(crate) id_locks: IdLocks,
    pub(crate) sweep: SweepCursor,
    pub(crate) states: States,
    pub(crate) book: CursorBook,
    pub(crate) people: Arc<People>,
    pub(crate) meters: Meters,
}

/// What anyone may know of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    pub version: String,
    pub registration: RegistrationPolicy,
    pub generation: u32,
    pub server_time: Timestamp,
}

impl Domain {
    /// Loads the installation's secrets, making those that do not exist. Install the metrics recorder first.
    pub async fn new(parts: DomainParts, config: DomainConfig) -> Result<Arc<Self>, StoreError> {
        let now = parts.clock.now();
        let secret = ServerSecret::load(&*parts.meta).await?;
        let epoch = ChallengeEpoch::load(&*parts.ephemeral, now).await?;
        let tokens = TokenKeys::load(Arc::clone(&parts.meta), now).await?;
        let restored = Restored::load(&*parts.meta, now).await?;
        Ok(Arc::new(Self {
            limiter: Limiter::new(config.limits.clone()),
            link_waiters: LinkWaiters::new(config.link_waiters_max),
            id_locks: IdLocks::default(),
            sweep: SweepCursor::default(),
            states: States::default(),
            book: CursorBook::default(),
            people: Arc::new(People::new(parts.people.clone(), parts.directory.clone(), config.requests)),
            meters: Meters::new(),
            parts,
            config,
            secret,
            epoch,
            tokens,
            restored,
        }))
    }

    pub fn server_info(&self) -> ServerInfo {
        ServerInfo {
            version: self.config.version.clone(),
            registration: self.config.registration,
            generation: self.generation(),
            server_time: self.now(),
        }
    }

    /// Rises with every restore from a backup; the same as long as the process runs, since a restore needs it stopped.
    pub fn generation(&self) -> u32 {
        self.restored.generation
    }

    /// Who may see what of whom.
    pub fn people(&self) -> Arc<People> {
        Arc::clone(&self.people)
    }

    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}
