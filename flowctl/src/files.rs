//! The files of a flow: beside it or below it, and nowhere else.

use crate::failure::Failure;
use flow_engine::source::Files;
use std::path::{Path, PathBuf};

/// A prompt or a module larger than this is a mistake.
const LARGEST_FILE: u64 = 32 << 20;

/// A flow file, read, and the folder that its other files come from.
pub(crate) struct FlowFile {
    /// Its name in its folder.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
    /// Its folder as given, for messages: empty or ending in `/`.
    pub(crate) folder: String,
    /// Where its other files come from.
    pub(crate) files: Folder,
}

impl FlowFile {
    /// Reads a flow file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let bytes = std::fs::read(path)
            .map_err(|e| Failure::usage(format!("can't read `{}`: {}", path.display(), reason(&e))))?;
        let text =
            String::from_utf8(bytes).map_err(|_| Failure::usage(format!("`{}` is not UTF-8 text", path.display())))?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = path.parent().unwrap_or(Path::new(""));
        let folder = if parent.as_os_str().is_empty() { String::new() } else { format!("{}/", parent.display()) };
        let root = if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() };
        let root = root
            .canonicalize()
            .map_err(|e| Failure::usage(format!("can't read `{}`: {}", root.display(), reason(&e))))?;
        Ok(Self { name, text, folder, files: Folder { root } })
    }
}

/// A folder whose files may be read.
pub(crate) struct Folder {
    root: PathBuf,
}

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let full = self.root.join(path).canonicalize().map_err(|e| reason(&e))?;
        // A link may lead out of the folder.
        if !full.starts_with(&self.root) {
            return Err("it lies outside the flow's folder".to_owned());
        }
        let about = full.metadata().map_err(|e| reason(&e))?;
        if about.is_dir() {
            return Err("it is a directory".to_owned());
        }
        if about.len() > LARGEST_FILE {
            return Err(format!("it has {} bytes; {LARGEST_FILE} at most", about.len()));
        }
        std::fs::read(&full).map_err(|e| reason(&e))
    }
}

/// Why a file can't be read, without the number of the operating system.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}
