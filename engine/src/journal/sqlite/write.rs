//! Writes that come at the same time share a transaction.
//!
//! Whoever has something to write puts it in the queue; whoever then has the turn writes all that is queued, and looks
//! again when done. So a run alone writes without waiting for another thread, and a thousand runs share a few
//! transactions. A synced write is made on a thread that may block.

use super::chunk::{Chunks, Hash};
use super::{Durability, Error, told};
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use tokio::sync::oneshot;

/// Chunks that are known to be written; more than so many are forgotten at once.
const KNOWN: usize = 200_000;

/// One write.
pub(super) struct Write {
    pub(super) run: i64,
    /// Set in a run's first write.
    pub(super) begin: Option<Begin>,
    pub(super) at: u64,
    pub(super) body: Vec<u8>,
    pub(super) chunks: Chunks,
    pub(super) kept: Vec<([u8; 16], Vec<u8>)>,
    /// Set in a run's last write.
    pub(super) end: Option<End>,
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

/// What the list of runs shows of one that has ended.
pub(super) struct End {
    pub(super) outcome: &'static str,
    pub(super) calls: u64,
    pub(super) nano_usd: u64,
}

type Waiting = (Write, oneshot::Sender<Result<(), Error>>);

/// The database, and what waits for it.
pub(super) struct Shared {
    db: Mutex<Connection>,
    /// Held by whoever writes for all.
    turn: Mutex<()>,
    /// Whether commits are synced now; changed under the lock of the database.
    synced: AtomicBool,
    queue: Mutex<Vec<Waiting>>,
    known: Mutex<HashSet<Hash>>,
    durability: Durability,
    commits: AtomicU64,
}

impl Shared {
    pub(super) fn new(db: Connection, durability: Durability) -> Self {
        Self {
            db: Mutex::new(db),
            turn: Mutex::default(),
            synced: AtomicBool::new(false),
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

    /// Says whether the next commits are synced.
    fn sync(&self, db: &Connection, synced: bool) -> Result<(), rusqlite::Error> {
        if self.synced.load(Ordering::Relaxed) != synced {
            db.pragma_update(None, "synchronous", if synced { "full" } else { "normal" })?;
            self.synced.store(synced, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes all that is queued, unless somebody is at it, who then will.
    fn drain(&self) {
        // Looked at without the turn: what was queued by somebody who found it taken is not left lying.
        while !lock(&self.queue).is_empty() {
            let _turn = match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            let batch = std::mem::take(&mut *lock(&self.queue));
            if batch.is_empty() {
                continue;
            }
            // Whoever reads holds it for a moment, and writes nothing for others.
            let db = self.db();
            let synced = batch.iter().any(|(write, _)| self.syncs(write));
            let written = self.sync(&db, synced).and_then(|()| commit(&db, &batch, &mut lock(&self.known)));
            let written = written.map_err(told);
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

/// One transaction. Its statements are kept prepared: for a run that writes call by call, making them anew would be a good
/// part of what a write costs.
fn commit(db: &Connection, batch: &[Waiting], known: &mut HashSet<Hash>) -> Result<(), rusqlite::Error> {
    let run = |statement: &str| db.prepare_cached(statement)?.execute([]).map(|_| ());
    run("begin immediate")?;
    let written = insert(db, batch, known).and_then(|()| run("commit"));
    if written.is_err() {
        // What is told is why it could not be written; that nothing of it is there follows from the transaction.
        let _ = run("rollback");
    }
    written
}

fn insert(db: &Connection, batch: &[Waiting], known: &mut HashSet<Hash>) -> Result<(), rusqlite::Error> {
    let mut chunk = db.prepare_cached("insert or ignore into chunk (hash, body) values (?, ?)")?;
    let mut event = db.prepare_cached("insert into event (run, at, body) values (?, ?, ?)")?;
    let mut kept = db.prepare_cached("insert or replace into cache (key, at, run, body) values (?, ?, ?, ?)")?;
    let mut end = db.prepare_cached("update run set outcome = ?, calls = ?, nano_usd = ? where n = ?")?;
    if known.len() > KNOWN {
        known.clear();
    }
    for (write, _) in batch {
        if let Some(Begin { id, flow, hash, parent }) = &write.begin {
            let insert = "insert into run (n, id, flow, hash, began, parent) values (?, ?, ?, ?, ?, ?)";
            db.prepare_cached(insert)?.execute(params![write.run, id, flow, hash, write.at, parent])?;
        }
        for (hash, body) in &write.chunks {
            if known.insert(*hash) {
                chunk.execute(params![hash, body])?;
            }
        }
        event.execute(params![write.run, write.at, write.body])?;
        for (key, body) in &write.kept {
            kept.execute(params![key, write.at, write.run, body])?;
        }
        if let Some(End { outcome, calls, nano_usd }) = &write.end {
            end.execute(params![outcome, calls, nano_usd, write.run])?;
        }
    }
    Ok(())
}
