//! Writes that come at the same time share a transaction.
//!
//! Whoever has something to write puts it in the queue; whoever then finds the database free writes all that is queued, and
//! looks again when done. So a run alone writes without waiting for another thread, and a thousand runs share a few
//! transactions. A synced write is made on a thread that may block.

use super::chunk::{Chunks, Hash};
use super::{Durability, Error, told};
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use tokio::sync::oneshot;

/// Chunks that are known to be written; more than so many are forgotten at once.
const KNOWN: usize = 200_000;

/// One write.
pub(super) struct Write {
    pub(super) run: i64,
    /// Set in a run's first write.
    pub(super) begin: Option<Begin>,
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) body: Vec<u8>,
    pub(super) chunks: Chunks,
    pub(super) kept: Vec<([u8; 16], Vec<u8>)>,
    pub(super) end: End,
    /// Whether money is spent by what is written.
    pub(super) money: bool,
}

/// What is known of a run from its beginning.
pub(super) struct Begin {
    pub(super) id: String,
    pub(super) flow: String,
    pub(super) hash: String,
    pub(super) parent: Option<String>,
}

/// What the list of runs shows of it.
pub(super) struct End {
    pub(super) outcome: Option<&'static str>,
    pub(super) calls: u64,
    pub(super) nano_usd: u64,
}

type Waiting = (Write, oneshot::Sender<Result<(), Error>>);

/// The database, and what waits for it.
pub(super) struct Shared {
    db: Mutex<Connection>,
    queue: Mutex<Vec<Waiting>>,
    known: Mutex<HashSet<Hash>>,
    durability: Durability,
    commits: AtomicU64,
}

impl Shared {
    pub(super) fn new(db: Connection, durability: Durability) -> Self {
        Self {
            db: Mutex::new(db),
            queue: Mutex::default(),
            known: Mutex::default(),
            durability,
            commits: AtomicU64::new(0),
        }
    }

    pub(super) fn db(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut off was rolled back.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Forgets which chunks are written.
    pub(super) fn forget(&self) {
        lock(&self.known).clear();
    }

    pub(super) async fn append(self: &Arc<Self>, write: Write) -> Result<(), Error> {
        let synced = self.syncs(&write);
        let (done, told) = oneshot::channel();
        lock(&self.queue).push((write, done));
        if synced {
            let shared = Arc::clone(self);
            tokio::task::spawn_blocking(move || shared.drain());
        } else {
            self.drain();
        }
        told.await.unwrap_or_else(|_| Err(Error("whoever wrote it is gone".to_owned())))
    }

    fn syncs(&self, write: &Write) -> bool {
        match self.durability {
            Durability::Normal => false,
            Durability::Money => write.money,
            Durability::Strict => true,
        }
    }

    /// Writes all that is queued, unless somebody is at it, who then will.
    fn drain(&self) {
        loop {
            let mut db = match self.db.try_lock() {
                Ok(db) => db,
                Err(TryLockError::Poisoned(db)) => db.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let batch = std::mem::take(&mut *lock(&self.queue));
            if batch.is_empty() {
                return;
            }
            let synced = batch.iter().any(|(write, _)| self.syncs(write));
            let written = commit(&mut db, &batch, synced, &mut lock(&self.known)).map_err(told);
            if written.is_err() {
                self.forget();
            }
            self.commits.fetch_add(1, Ordering::Relaxed);
            drop(db);
            for (_, done) in batch {
                // Whoever does not wait any more was dropped.
                let _ = done.send(written.clone());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn commit(
    db: &mut Connection,
    batch: &[Waiting],
    synced: bool,
    known: &mut HashSet<Hash>,
) -> Result<(), rusqlite::Error> {
    db.execute_batch(if synced { "pragma synchronous = full" } else { "pragma synchronous = normal" })?;
    let work = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut chunk = work.prepare_cached("insert or ignore into chunk (hash, body) values (?, ?)")?;
        let mut event = work.prepare_cached("insert into event (run, seq, at, body) values (?, ?, ?, ?)")?;
        let mut kept = work.prepare_cached("insert or replace into cache (key, at, run, body) values (?, ?, ?, ?)")?;
        let mut end = work.prepare_cached("update run set outcome = ?, calls = ?, nano_usd = ? where n = ?")?;
        if known.len() > KNOWN {
            known.clear();
        }
        for (write, _) in batch {
            if let Some(Begin { id, flow, hash, parent }) = &write.begin {
                let insert = "insert into run (n, id, flow, hash, began, parent) values (?, ?, ?, ?, ?, ?)";
                work.execute(insert, params![write.run, id, flow, hash, write.at, parent])?;
            }
            for (hash, body) in &write.chunks {
                if known.insert(*hash) {
                    chunk.execute(params![hash, body])?;
                }
            }
            event.execute(params![write.run, write.seq, write.at, write.body])?;
            for (key, body) in &write.kept {
                kept.execute(params![key, write.at, write.run, body])?;
            }
            if write.money || write.end.outcome.is_some() {
                let End { outcome, calls, nano_usd } = &write.end;
                end.execute(params![outcome, calls, nano_usd, write.run])?;
            }
        }
    }
    work.commit()
}
