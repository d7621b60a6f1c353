//! The journal on disk: one SQLite file for all runs of a folder.
//!
//! A write is one transaction, and writes that come at the same time share one: whoever finds the database free writes all
//! that waits ([`write`]). In WAL mode an unsynced commit survives the death of the process, and a power cut may take the
//! last ones but never breaks the file; what spends money is synced. A run is driven by one process at a time: it holds a
//! lock on a file, which the system frees when the process dies, whatever the clock says.

mod chunk;
mod write;

use super::cache::{Found, Key};
use super::event::{Event, Record};
use super::store::{Batch, Error, Journal};
use crate::run::{Cache, Cost, Outcome};
use crate::value::Value;
use chunk::{Chunks, Decoder, Hash};
use futures::future::{BoxFuture, FutureExt};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use write::{Begin, End, Shared, Write};

/// The steps from an empty file to the schema of today.
const SCHEMA: [&str; 1] = [include_str!("schema.sql")];

/// How long another process may hold the database before that is an error.
const BUSY: Duration = Duration::from_secs(30);

/// After so many pages of 4 KiB the log is written into the file, with a sync each time.
const CHECKPOINT: u32 = 4_000;

/// Which writes are synced to the disk before the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// None: the death of the process loses nothing, a power cut the last moments.
    Normal,
    /// Those that spend money.
    #[default]
    Money,
    /// All.
    Strict,
}

/// All runs of a folder.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    folder: PathBuf,
}

/// What is known of a run without reading it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Its id.
    pub id: String,
    /// The flow's name.
    pub flow: String,
    /// The hash of all that the flow was read from.
    pub hash: String,
    /// When it began, in milliseconds of the Unix clock.
    pub began_ms: u64,
    /// When it was last written to.
    pub touched_ms: u64,
    /// The run it was forked from.
    pub parent: Option<String>,
    /// How it ended; none while it has not.
    pub outcome: Option<Outcome>,
    /// Calls, of a run that has ended.
    pub calls: u64,
    /// Money, of a run that has ended.
    pub usd: f64,
    /// Whether a process drives it now.
    pub alive: bool,
}

/// One run, driven by this process as long as the value lives.
pub struct StoredRun {
    store: Store,
    id: String,
    n: i64,
    cache: Reuse,
    parent: Option<String>,
    spent: Cost,
    _lease: File,
}

/// Which answers of before a run takes.
#[derive(Debug, Clone, Default)]
pub enum Reuse {
    /// Those of all runs.
    #[default]
    Cache,
    /// None, and keeps none.
    Nothing,
    /// These alone, by path, as long as they are found by the same; its own answers are kept.
    Only(HashMap<String, (Key, Found)>),
}

impl Reuse {
    /// What a run takes that says so of itself.
    pub fn of(cache: Cache) -> Self {
        match cache {
            Cache::Auto => Self::Cache,
            Cache::Off => Self::Nothing,
            Cache::Refresh => Self::Only(HashMap::new()),
        }
    }
}

/// What [`Store::sweep`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Swept {
    /// Runs that are gone.
    pub runs: u64,
    /// Cached answers that are gone.
    pub answers: u64,
    /// Bytes of the file before and after.
    pub bytes: (u64, u64),
}

impl Store {
    /// Opens the runs of a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder can't be written, the file is no database, broken, or of a newer version.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error(format!("`{}`: {error}", folder.display()));
        std::fs::create_dir_all(folder.join("leases")).map_err(failed)?;
        let mut db = Connection::open(folder.join("flow.db")).map_err(told)?;
        db.busy_timeout(BUSY).map_err(told)?;
        db.set_prepared_statement_cache_capacity(32);
        db.pragma_update(None, "journal_mode", "wal").map_err(told)?;
        db.pragma_update(None, "synchronous", "normal").map_err(told)?;
        db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT).map_err(told)?;
        migrate(&mut db)?;
        Ok(Self { shared: Arc::new(Shared::new(db, durability)), folder: folder.to_owned() })
    }

    /// The run of that id, or of an id that begins so and no other does.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn find(&self, prefix: &str) -> Result<String, Error> {
        let db = self.db();
        let mut query = db.prepare_cached("select id from run where substr(id, 1, ?2) = ?1 limit 3").map_err(told)?;
        let found = query.query_map(params![prefix, prefix.len()], |row| row.get(0)).map_err(told)?;
        match found.collect::<Result<Vec<String>, _>>().map_err(told)?.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error(format!("there is no run `{prefix}`"))),
            [one, other, ..] => {
                Err(Error(format!("`{prefix}` is the beginning of several runs, as `{one}` and `{other}`")))
            }
        }
    }

    /// All runs, the youngest first.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn runs(&self) -> Result<Vec<Summary>, Error> {
        let db = self.db();
        let mut query = db
            .prepare_cached(
                "select id, flow, hash, began, (select max(at) from event where run = n), parent, outcome, calls, nano_usd
                 from run order by began desc, n desc",
            )
            .map_err(told)?;
        let rows = query.query_map([], |row| {
            let outcome: Option<String> = row.get(6)?;
            let id: String = row.get(0)?;
            Ok(Summary {
                alive: self.alive(&id),
                id,
                flow: row.get(1)?,
                hash: row.get(2)?,
                began_ms: row.get(3)?,
                touched_ms: row.get::<_, Option<u64>>(4)?.unwrap_or_default(),
                parent: row.get(5)?,
                outcome: outcome.and_then(|name| serde_json::from_value(Value::String(name)).ok()),
                calls: row.get(7)?,
                usd: row.get::<_, u64>(8)? as f64 / 1e9,
            })
        });
        rows.map_err(told)?.collect::<Result<_, _>>().map_err(told)
    }

    /// All records of a run, and how long ago the last one was written.
    ///
    /// # Errors
    /// There is no such run, or its journal is broken.
    pub fn read(&self, id: &str) -> Result<(Vec<Record>, Duration), Error> {
        let db = self.db();
        let n = number(&db, id)?;
        let mut decoder = decoder(&db);
        let mut query = db.prepare_cached("select at, body from event where run = ? order by id").map_err(told)?;
        let mut rows = query.query([n]).map_err(told)?;
        let (mut records, mut last) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(told)? {
            last = row.get(0).map_err(told)?;
            let body = row.get_ref(1).map_err(told)?.as_blob().map_err(|error| Error(error.to_string()))?;
            let broken = |error: String| Error(format!("the journal of `{id}` is broken: {error}"));
            let written: Vec<Value> = serde_json::from_slice(body).map_err(|error| broken(error.to_string()))?;
            for value in written {
                let value = decoder.decode(value).map_err(broken)?;
                records.push(serde_json::from_value(value).map_err(|error| broken(error.to_string()))?);
            }
        }
        // A clock that was set back says that no time has passed.
        Ok((records, Duration::from_millis(now_ms().saturating_sub(last))))
    }

    /// Makes a run of a new id. `parent` is the run it is forked from.
    ///
    /// # Errors
    /// Its file can't be made.
    pub fn begin(&self, cache: Reuse, parent: Option<String>) -> Result<StoredRun, Error> {
        let id = new_id();
        let lease = self.lease(&id)?;
        let n = new_number();
        Ok(StoredRun { store: self.clone(), id, n, cache, parent, spent: Cost::default(), _lease: lease })
    }

    /// Takes a run up again, to go on with it.
    ///
    /// # Errors
    /// Another process drives it.
    pub fn take_up(&self, id: &str, records: &[Record], cache: Reuse) -> Result<StoredRun, Error> {
        let lease = self.lease(id)?;
        let n = number(&self.db(), id)?;
        let mut run = StoredRun {
            store: self.clone(),
            id: id.to_owned(),
            n,
            cache,
            parent: None,
            spent: Cost::default(),
            _lease: lease,
        };
        records.iter().for_each(|record| run.count(&record.event));
        Ok(run)
    }

    /// Says something to a run: an answer for the path of a person, or with no path that it is to end.
    ///
    /// # Errors
    /// There is no such run, or the database can't be written.
    pub fn say(&self, id: &str, path: &str, value: &Value) -> Result<(), Error> {
        let db = self.db();
        let n = number(&db, id)?;
        let body = value.to_string();
        db.execute("insert or replace into said (run, path, body) values (?, ?, ?)", params![n, path, body])
            .map_err(told)?;
        Ok(())
    }

    /// What was said to a run about a path.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn heard(&self, id: &str, path: &str) -> Result<Option<Value>, Error> {
        let db = self.db();
        let query = "select body from said where path = ? and run = (select n from run where id = ?)";
        let body: Option<String> = db.query_row(query, [path, id], |row| row.get(0)).optional().map_err(told)?;
        body.map(|body| serde_json::from_str(&body).map_err(|error| Error(error.to_string()))).transpose()
    }

    /// Forgets runs and cached answers that nobody touched since a moment of the Unix clock, and what only they referred
    /// to. Runs that are driven now stay.
    ///
    /// # Errors
    /// A run is being driven, or the database can't be written.
    pub fn sweep(&self, before_ms: u64) -> Result<Swept, Error> {
        let runs = self.runs()?;
        if let Some(alive) = runs.iter().find(|run| run.alive) {
            return Err(Error(format!("`{}` is running: sweep when it has ended", alive.id)));
        }
        let old: Vec<&Summary> = runs.iter().filter(|run| run.touched_ms < before_ms).collect();
        let mut db = self.db();
        let size = |db: &Connection| -> Result<u64, Error> {
            db.query_row("select page_count * page_size from pragma_page_count, pragma_page_size", [], |row| row.get(0))
                .map_err(told)
        };
        let bytes = size(&db)?;
        let work = db.transaction().map_err(told)?;
        for run in &old {
            let n = number(&work, &run.id)?;
            for table in
                ["delete from event where run = ?", "delete from said where run = ?", "delete from run where n = ?"]
            {
                work.execute(table, [n]).map_err(told)?;
            }
        }
        let answers = work.execute("delete from cache where at < ?", [before_ms]).map_err(told)? as u64;
        let unreachable = unreachable(&work)?;
        for hash in &unreachable {
            work.execute("delete from chunk where hash = ?", [hash]).map_err(told)?;
        }
        work.commit().map_err(told)?;
        db.execute_batch("vacuum").map_err(told)?;
        self.shared.forget();
        for run in &old {
            // Left behind, it would be an empty file.
            let _ = std::fs::remove_file(self.lease_path(&run.id));
        }
        Ok(Swept { runs: old.len() as u64, answers, bytes: (bytes, size(&db)?) })
    }

    /// How many transactions were written so far.
    pub fn commits(&self) -> u64 {
        self.shared.commits()
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.shared.db()
    }

    fn lease_path(&self, id: &str) -> PathBuf {
        self.folder.join("leases").join(id)
    }

    fn lease(&self, id: &str) -> Result<File, Error> {
        let path = self.lease_path(id);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| Error(format!("`{}`: {error}", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error(format!("another process drives `{id}`"))),
            Err(TryLockError::Error(error)) => Err(Error(format!("`{}` can't be locked: {error}", path.display()))),
        }
    }

    fn alive(&self, id: &str) -> bool {
        let file = File::options().write(true).open(self.lease_path(id));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

impl StoredRun {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is spent so far, for those who list runs.
    fn count(&mut self, event: &Event) {
        match event {
            Event::CallSent { reserved, .. } => self.spent.calls += reserved.calls,
            Event::CallSettled { cost, .. } | Event::CallLost { cost, .. } => self.spent.nano_usd += cost.nano_usd,
            _ => {}
        }
    }

    fn write(&mut self, batch: Batch<'_>) -> Write {
        let mut chunks = Chunks::new();
        let mut money = false;
        let (mut begin, mut ended) = (None, None);
        for record in batch.records {
            self.count(&record.event);
            match &record.event {
                Event::RunStarted(start) => {
                    let (id, parent) = (self.id.clone(), self.parent.clone());
                    begin = Some(Begin { id, parent, flow: start.flow.clone(), hash: start.hash.clone() });
                }
                Event::CallSent { .. } | Event::CallSettled { .. } => money = true,
                Event::RunDone { outcome, .. } => ended = Some(outcome.as_str()),
                _ => {}
            }
        }
        let mut body = vec![b'['];
        for (nth, record) in batch.records.iter().enumerate() {
            if nth > 0 {
                body.push(b',');
            }
            write_record(record, &mut body, &mut chunks);
        }
        body.push(b']');
        let keeps = !matches!(self.cache, Reuse::Nothing);
        let kept =
            batch.kept.iter().filter(|_| keeps).map(|(key, found)| (key.0, written(&encode(found, &mut chunks))));
        Write {
            run: self.n,
            begin,
            at: now_ms(),
            kept: kept.collect(),
            body,
            chunks,
            end: ended.map(|outcome| End { outcome, calls: self.spent.calls, nano_usd: self.spent.nano_usd }),
            money,
        }
    }
}

impl Journal for StoredRun {
    fn append<'a>(&'a mut self, batch: Batch<'a>) -> BoxFuture<'a, Result<(), Error>> {
        let write = self.write(batch);
        self.store.shared.append(write).boxed()
    }

    fn find(&mut self, path: &str, key: Key) -> Result<Option<Found>, Error> {
        match &self.cache {
            Reuse::Nothing => Ok(None),
            Reuse::Only(found) => {
                Ok(found.get(path).filter(|(known, _)| *known == key).map(|(_, found)| found.clone()))
            }
            Reuse::Cache => {
                let db = self.store.db();
                let mut query = db.prepare_cached("select body from cache where key = ?").map_err(told)?;
                let body: Option<Vec<u8>> = query.query_row([key.0], |row| row.get(0)).optional().map_err(told)?;
                let Some(body) = body else { return Ok(None) };
                let value = serde_json::from_slice(&body).map_err(|error| Error(error.to_string()))?;
                let value = decoder(&db).decode(value).map_err(Error)?;
                // An answer that an older engine kept in another form is none.
                Ok(serde_json::from_value(value).ok())
            }
        }
    }
}

/// A record in writing. Most are short, and stand as they are; a long one has chunks in place of its long parts.
fn write_record(record: &Record, body: &mut Vec<u8>, chunks: &mut Chunks) {
    let begin = body.len();
    let short = serde_json::to_writer(Short { body, end: begin + chunk::LARGE }, record).is_ok();
    // What looks like a chunk and is none must be told apart.
    if !short || body[begin..].windows(2).any(|two| two == b"\"#") {
        body.truncate(begin);
        body.append(&mut written(&encode(record, chunks)));
    }
}

/// Takes so much and no more.
struct Short<'a> {
    body: &'a mut Vec<u8>,
    end: usize,
}

impl std::io::Write for Short<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.body.len() + bytes.len() > self.end {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Data with its long parts as chunks; it is none itself.
fn encode(data: &impl Serialize, chunks: &mut Chunks) -> Value {
    match serde_json::to_value(data).expect("internal error: records are data") {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, chunk::encode(value, chunks))).collect())
        }
        other => other,
    }
}

fn written(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("internal error: values are data")
}

fn decoder(db: &Connection) -> Decoder<impl Fn(&Hash) -> Result<Vec<u8>, String> + '_> {
    Decoder::new(move |hash: &Hash| {
        let query = db.prepare_cached("select body from chunk where hash = ?");
        let body = query.and_then(|mut query| query.query_row([hash], |row| row.get(0)));
        body.map_err(|error| format!("the chunk {} can't be read: {error}", chunk::hex(hash)))
    })
}

/// Chunks that no event and no cached answer refers to.
fn unreachable(db: &Connection) -> Result<Vec<Hash>, Error> {
    let mut reached: HashSet<Hash> = HashSet::new();
    let mut open: Vec<Hash> = Vec::new();
    let look = |body: &[u8], reached: &mut HashSet<Hash>, open: &mut Vec<Hash>| {
        if let Ok(value) = serde_json::from_slice(body) {
            chunk::addresses(&value, &mut |hash| {
                if reached.insert(hash) {
                    open.push(hash);
                }
            });
        }
    };
    for table in ["select body from event", "select body from cache"] {
        let mut query = db.prepare(table).map_err(told)?;
        let mut rows = query.query([]).map_err(told)?;
        while let Some(row) = rows.next().map_err(told)? {
            let body: Vec<u8> = row.get(0).map_err(told)?;
            look(&body, &mut reached, &mut open);
        }
    }
    while let Some(hash) = open.pop() {
        let query = db.prepare_cached("select body from chunk where hash = ?");
        let body: Option<Vec<u8>> =
            query.and_then(|mut q| q.query_row([hash], |row| row.get(0)).optional()).map_err(told)?;
        if let Some(body) = body {
            look(&body, &mut reached, &mut open);
        }
    }
    let mut query = db.prepare("select hash from chunk").map_err(told)?;
    let all =
        query.query_map([], |row| row.get::<_, Hash>(0)).map_err(told)?.collect::<Result<Vec<_>, _>>().map_err(told)?;
    Ok(all.into_iter().filter(|hash| !reached.contains(hash)).collect())
}

fn migrate(db: &mut Connection) -> Result<(), Error> {
    let version =
        |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get::<_, usize>(0)).map_err(told);
    let found = version(db)?;
    if found > SCHEMA.len() {
        return Err(Error(format!(
            "it was written by a newer flowctl (its schema is {found}, {} is known here)",
            SCHEMA.len()
        )));
    }
    if found == SCHEMA.len() {
        return Ok(());
    }
    // Of two processes that open a new folder at once, the second finds it done.
    let work = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(told)?;
    for step in &SCHEMA[version(&work)?..] {
        work.execute_batch(step).map_err(told)?;
    }
    work.pragma_update(None, "user_version", SCHEMA.len()).map_err(told)?;
    work.commit().map_err(told)
}

fn number(db: &Connection, id: &str) -> Result<i64, Error> {
    let n = db.query_row("select n from run where id = ?", [id], |row| row.get(0)).optional().map_err(told)?;
    n.ok_or_else(|| Error(format!("there is no run `{id}`")))
}

/// What is wrong, in words that say what to do.
fn told(error: rusqlite::Error) -> Error {
    Error(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            format!("its file can't be written ({error})")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("its file is broken ({error}): move it away, and what it held is lost")
        }
        Some(ErrorCode::DatabaseBusy) => "another process holds its file".to_owned(),
        _ => error.to_string(),
    })
}

/// Eight letters and digits that no other run has.
fn new_id() -> String {
    let hash = blake3::hash(format!("{} {}", new_number(), std::process::id()).as_bytes());
    let letters = b"0123456789abcdefghjkmnpqrstvwxyz";
    hash.as_bytes()[..8].iter().map(|byte| char::from(letters[usize::from(byte % 32)])).collect()
}

/// A number that is larger than those before it: runs that are written at once have numbers that are near each other.
fn new_number() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let next = |last| Some(now.max(last + 1));
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_or(now, |last| now.max(last + 1))
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
