//! The ports, one file each: reads run on the caller's thread, changes are operations for the committer.

mod directory;
mod groups;
mod inbox;
pub(crate) mod meta;
pub(crate) mod people;
pub(crate) mod prekeys;
mod reports;

use crate::EmbeddedStore;
use crate::committer::{Answer, Operation, When};
use crate::txn::Txn;
use sotto_ports::StoreError;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// What the queue must know of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    when: When,
    /// Makes the store larger, so it is refused when the disk is nearly full.
    grows: bool,
    /// Roughly what it weighs in the queue.
    bytes: usize,
}

impl Kind {
    const GROWS: Self = Self { when: When::InTurn, grows: true, bytes: 256 };
    const SHRINKS: Self = Self { when: When::InTurn, grows: false, bytes: 256 };
    const SEND: Self = Self { when: When::Passing, ..Self::GROWS };
    const SETTLE: Self = Self { when: When::Held, ..Self::SHRINKS };

    const fn scans(self) -> Self {
        Self { when: When::OnEmptyBatch, ..self }
    }

    const fn weighing(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl EmbeddedStore {
    /// Runs `change` in the committer and waits for its commit. A change that fails leaves no trace.
    pub(crate) async fn submit<T, E>(
        &self,
        kind: Kind,
        change: impl FnOnce(&mut Txn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if kind.grows && self.watch.full.load(Ordering::Relaxed) {
            return Err(StoreError::Full.into());
        }
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |txn: &mut Txn| -> Answer {
            let result = change(txn);
            if result.is_err() {
                txn.rollback();
            }
            // The caller may be gone; the change stands all the same.
            Box::new(move || drop(answer.send(result)))
        });
        self.queue.submit(Operation { run, bytes: kind.bytes, when: kind.when })?;
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Failed("the store was closed".into()).into()),
        }
    }

    /// Runs a long read off the async threads.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        read: impl FnOnce(&crate::tables::Tables) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let tables = std::sync::Arc::clone(&self.tables);
        let read = tokio::task::spawn_blocking(move || read(&tables));
        read.await.map_err(|_| StoreError::Failed("a read was cut short".into()))?
    }
}
