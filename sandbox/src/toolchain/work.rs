//! A folder for one compilation.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::package::at;
use super::{Error, Workshop};

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
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed is only space.
        drop(fs::remove_dir_all(&self.0));
    }
}
