//! Where the events of a run are kept.

use super::event::Record;

/// A journal that can't be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal of the run can't be kept: {0}")]
pub struct Error(pub String);

/// Keeps the events of one run in order. What [`Self::append`] has returned from is kept, whatever happens next: the run
/// sends nothing into the world before.
pub trait Journal: Send {
    /// Keeps some records, all or none.
    ///
    /// # Errors
    /// The disk is full, read-only or gone.
    fn append(&mut self, records: &[Record]) -> Result<(), Error>;

    /// All that was kept, in order.
    ///
    /// # Errors
    /// The journal can't be read.
    fn read(&self) -> Result<Vec<Record>, Error>;
}

/// A journal that is gone with the process.
#[derive(Debug, Default)]
pub struct Memory(Vec<Record>);

impl Memory {
    /// What was kept, without a copy.
    pub fn records(&self) -> &[Record] {
        &self.0
    }
}

impl Journal for Memory {
    fn append(&mut self, records: &[Record]) -> Result<(), Error> {
        self.0.extend_from_slice(records);
        Ok(())
    }

    fn read(&self) -> Result<Vec<Record>, Error> {
        Ok(self.0.clone())
    }
}
