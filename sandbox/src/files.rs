//! The read-only files that a guest sees, and how its paths are read. Nothing here touches the host's file names.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// What a file holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A file of the cache, read where it lies: the standard library is too large to hold in every process.
    Disk(Arc<File>, u64),
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Disk(_, len) => *len,
        }
    }

    /// Reads from `at` on; 0 bytes at the end.
    pub(crate) fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let n = rest.len().min(into.len());
                into[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
            Self::Disk(file, _) => read_file_at(file, at, into),
        }
    }
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
pub(crate) struct FileTree(BTreeMap<String, Content>);

impl FileTree {
    /// Adds or replaces a file; the path is read as a guest's would be.
    pub(crate) fn insert(&mut self, path: &str, content: Content) {
        if let Some(path) = resolve("", path) {
            self.0.insert(path, content);
        }
    }

    /// What lies at a resolved path.
    pub(crate) fn get(&self, path: &str) -> Option<Entry> {
        if let Some(content) = self.0.get(path) {
            return Some(Entry::File(content.clone()));
        }
        let folder = path.is_empty() || self.below(path).next().is_some();
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
        self.0.range(prefix.clone()..).map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
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
}
