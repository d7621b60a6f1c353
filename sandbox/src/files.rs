//! The files that a guest sees, all in memory or read-only, and how its paths are read. Nothing here touches the host's
//! file names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::Files;

/// What a guest may write into one file, and how many files it may make: feedback is some lines of text.
const WRITTEN_BYTES: usize = 1 << 20;
const WRITTEN_FILES: usize = 64;

/// What a file holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A file of the cache, read where it lies: the standard library is too large to hold in every process.
    Disk(Arc<File>, u64),
    /// What the guest itself writes.
    Written(Arc<Mutex<Vec<u8>>>),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Disk(_, len) => *len,
            Self::Written(bytes) => locked(bytes).len() as u64,
        }
    }

    /// Reads from `at` on; 0 bytes at the end.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => Ok(copy_at(bytes, at, into)),
            Self::Written(bytes) => Ok(copy_at(&locked(bytes), at, into)),
            Self::Disk(file, _) => read_file_at(file, at, into),
        }
    }

    /// Writes from `at` on; how far that reached, or none where the file may not be written or grow so far.
    pub(crate) fn write_at(&self, at: u64, from: &[u8]) -> Option<u64> {
        let Self::Written(bytes) = self else { return None };
        let (mut bytes, at) = (locked(bytes), usize::try_from(at).ok()?);
        let end = at.checked_add(from.len()).filter(|end| *end <= WRITTEN_BYTES)?;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at..end].copy_from_slice(from);
        Some(end as u64)
    }
}

/// A lock that only one thread, the guest's, ever takes.
fn locked(bytes: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn copy_at(bytes: &[u8], at: u64, into: &mut [u8]) -> usize {
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let n = rest.len().min(into.len());
    into[..n].copy_from_slice(&rest[..n]);
    n
}

#[cfg(unix)]
fn read_file_at(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

#[cfg(windows)]
fn read_file_at(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

/// What lies at a path.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Folder,
    File(Content),
}

/// Files by path from the root, without a leading slash. A folder is there when a file lies in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileTree {
    files: BTreeMap<String, Content>,
    /// The one folder that the guest may make files in.
    writable: Option<&'static str>,
}

impl FileTree {
    /// Adds or replaces a file; the path is read as a guest's would be.
    pub(crate) fn insert(&mut self, path: &str, content: Content) {
        if let Some(path) = resolve("", path) {
            self.files.insert(path, content);
        }
    }

    /// Lets the guest make files in this folder, which is empty before it runs.
    pub(crate) fn let_write(&mut self, folder: &'static str) {
        self.writable = Some(folder);
    }

    /// Makes an empty file, or empties one, where the guest may; none where it may not.
    pub(crate) fn create(&mut self, path: &str) -> Option<Content> {
        let name = path.strip_prefix(self.writable?)?.strip_prefix('/')?;
        if let Some(content @ Content::Written(bytes)) = self.files.get(path) {
            locked(bytes).clear();
            return Some(content.clone());
        }
        let made = self.files.values().filter(|content| matches!(content, Content::Written(_))).count();
        let content = Content::Written(Arc::default());
        (made < WRITTEN_FILES && !name.contains('/')).then(|| self.files.insert(path.to_owned(), content.clone()))?;
        Some(content)
    }

    /// What the guest wrote, by path.
    pub(crate) fn written(&self) -> Files {
        let written = self.files.iter().filter_map(|(path, content)| match content {
            Content::Written(bytes) => Some((path.clone(), locked(bytes).clone())),
            Content::Bytes(_) | Content::Disk(..) => None,
        });
        written.collect()
    }

    /// What lies at a resolved path.
    pub(crate) fn get(&self, path: &str) -> Option<Entry> {
        if let Some(content) = self.files.get(path) {
            return Some(Entry::File(content.clone()));
        }
        let folder = path.is_empty() || self.writable == Some(path) || self.below(path).next().is_some();
        folder.then_some(Entry::Folder)
    }

    /// Names in a folder, each once, in order, and whether each is a folder.
    pub(crate) fn list(&self, folder: &str) -> Vec<(String, bool)> {
        let mut names: Vec<(String, bool)> = self
            .below(folder)
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => (name.to_owned(), true),
                None => (rest.to_owned(), false),
            })
            .collect();
        names.dedup();
        names
    }

    /// The rest of each path that lies in a folder.
    fn below(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.files.range(prefix.clone()..).map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
    }
}

/// The path from the root that `path` means in `folder`; none where it leaves the root.
pub(crate) fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|p| !p.is_empty());
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    parts.retain(|p| !p.is_empty());
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve_inside_the_root_only() {
        assert_eq!(resolve("a", "./b//c").as_deref(), Some("a/b/c"));
        assert_eq!(resolve("a", "/b").as_deref(), Some("b"));
        assert_eq!(resolve("a/b", "..").as_deref(), Some("a"));
        assert_eq!(resolve("", ".").as_deref(), Some(""));
        assert_eq!(resolve("a", "../../etc/passwd"), None);
    }

    #[test]
    fn a_folder_is_there_when_a_file_lies_in_it() {
        let mut tree = FileTree::default();
        tree.insert("/d/e/x.txt", Content::Bytes(Arc::from(*b"x")));
        tree.insert("d/y.txt", Content::Bytes(Arc::from(*b"y")));
        assert!(matches!(tree.get("d/e"), Some(Entry::Folder)));
        assert!(matches!(tree.get("d/y.txt"), Some(Entry::File(_))));
        assert!(tree.get("dx").is_none());
        assert_eq!(tree.list("d"), [("e".to_owned(), true), ("y.txt".to_owned(), false)]);
        assert_eq!(tree.list(""), [("d".to_owned(), true)]);
    }

    #[test]
    fn files_are_made_in_the_writable_folder_alone_and_only_so_large() {
        let mut tree = FileTree::default();
        assert!(tree.create("out/x").is_none());
        tree.let_write("out");
        assert!(matches!(tree.get("out"), Some(Entry::Folder)));
        assert!(tree.create("x").is_none() && tree.create("outer").is_none() && tree.create("out/a/b").is_none());
        let file = tree.create("out/x").expect("a file");
        assert_eq!(file.write_at(2, b"ab"), Some(4));
        assert_eq!(file.write_at(WRITTEN_BYTES as u64, b"x"), None);
        assert_eq!(tree.written()["out/x"], b"\0\0ab");
        // Emptied, and the same file for whoever has it open: what is open cannot hold more than what is there.
        tree.create("out/x").expect("it is emptied");
        assert_eq!(tree.written()["out/x"], b"");
        assert_eq!(file.write_at(0, b"c"), Some(1));
        assert_eq!(tree.written()["out/x"], b"c");
        for n in 1..WRITTEN_FILES {
            assert!(tree.create(&format!("out/{n}")).is_some());
        }
        assert!(tree.create("out/more").is_none());
    }
}
