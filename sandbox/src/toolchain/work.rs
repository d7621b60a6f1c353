//! A folder for one compilation.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::package::at;
use super::{Error, Workshop};

/// What a compiler writes for one program: some MB of object code and module.
const ROOM: usize = 8 << 20;

/// Older than any compilation that still runs.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// A folder that is gone with this value, with a name that nobody else has: processes of several machines may share a
/// cache, and then a number of a process names none.
pub(super) struct Work(TempDir);

impl Work {
    pub(super) fn new(shop: &Workshop) -> Result<Self, Error> {
        let all = shop.cache.root().join("work");
        shop.cache.make(&all).map_err(at(&all))?;
        forget(&all);
        Ok(Self(TempDir::with_prefix_in("", &all).map_err(at(&all))?))
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Fails when there is no room for what a compiler writes: then its refusal says nothing of the program.
    pub(super) fn has_room(&self) -> Result<(), Error> {
        let probe = self.folder().join("probe");
        fs::write(&probe, vec![0; ROOM]).map_err(at(&probe))
    }
}

/// Removes what was left by processes that were killed. What cannot be removed is only space.
fn forget(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let made = entry.metadata().and_then(|found| found.modified());
        if made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > FORGOTTEN)) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}
