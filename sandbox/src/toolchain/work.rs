//! A folder for one compilation.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::package::at;
use super::{Error, Workshop};

/// What a compiler writes for one program: some MB of object code and module.
const ROOM: usize = 8 << 20;

/// A folder that is gone with this value.
pub(super) struct Work(pub(super) PathBuf);

impl Work {
    pub(super) fn new(shop: &Workshop) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = shop.cache.root().join("work").join(name);
        shop.cache.make(&folder).map_err(at(&folder))?;
        Ok(Self(folder))
    }

    /// Fails when there is no room for what a compiler writes: then its refusal says nothing of the program.
    pub(super) fn has_room(&self) -> Result<(), Error> {
        let probe = self.0.join("probe");
        fs::write(&probe, vec![0; ROOM]).map_err(at(&probe))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed is only space.
        drop(fs::remove_dir_all(&self.0));
    }
}
