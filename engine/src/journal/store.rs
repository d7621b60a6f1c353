//! Where the events of a run are kept.

use super::cache::{Found, Key};
use super::event::Record;
use futures::future::{BoxFuture, FutureExt, ready};

/// A journal that can't be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal of the run can't be kept: {0}")]
pub struct Error(pub String);

/// What is written at once, all or nothing.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// What happened, in order.
    pub records: &'a [Record],
    /// Answers for runs to come.
    pub kept: &'a [(Key, Found)],
}

/// Keeps the events of one run in order. What [`Self::append`] has returned from is kept, whatever happens next: the run
/// sends nothing into the world before.
pub trait Journal: Send {
    /// Keeps a batch.
    ///
    /// # Errors
    /// The disk is full, read-only or gone.
    fn append<'a>(&'a mut self, batch: Batch<'a>) -> BoxFuture<'a, Result<(), Error>>;

    /// An answer of before that stands in for the call or work of that path, by all it hangs on.
    ///
    /// # Errors
    /// The journal can't be read.
    fn find(&mut self, path: &str, key: Key) -> Result<Option<Found>, Error> {
        let _ = (path, key);
        Ok(None)
    }
}

/// A journal that is gone with the process, and knows no answers of before.
#[derive(Debug, Default)]
pub struct Memory(Vec<Record>);

impl Memory {
    /// What was kept, without a copy.
    pub fn records(&self) -> &[Record] {
        &self.0
    }
}

impl Journal for Memory {
    fn append<'a>(&'a mut self, batch: Batch<'a>) -> BoxFuture<'a, Result<(), Error>> {
        self.0.extend_from_slice(batch.records);
        ready(Ok(())).boxed()
    }
}
