//! The texts of one load: the flow file, its prompt files, its imports.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Which text of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u32);

/// One text and where it came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as it is shown: relative to the flow's folder for its own files.
    pub path: String,
    /// The text.
    pub text: String,
    line_starts: Vec<usize>,
}

/// All texts of a load, the flow file first.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and names it.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> SourceId {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        self.0.push(Source { path: path.into(), text, line_starts });
        SourceId(u32::try_from(self.0.len() - 1).expect("internal error: more than 2^32 sources"))
    }

    /// The text of that name.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// The texts in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(&self.0)
    }
}

impl Source {
    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        let start = self.line_starts[line];
        (line + 1, self.text[start..].char_indices().take_while(|(i, _)| start + i < offset).count() + 1)
    }
}

/// Where the engine gets files from: prompts, partials, imports, wasm checkers. Paths are relative to the flow's folder
/// and never leave it.
pub trait Files: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// A sentence fit to follow "can't read `path`: ".
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

impl Files for BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "there is no such file".to_owned())
    }
}

/// All that a flow was read from: what a run keeps, so that it can go on when the files have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The flow file.
    pub path: String,
    /// It, its prompts, partials, imports and modules.
    pub files: BTreeMap<String, Content>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content(pub Vec<u8>);

impl Bundle {
    /// The text of the flow file.
    pub fn text(&self) -> Option<String> {
        String::from_utf8(self.files.get(&self.path)?.0.clone()).ok()
    }

    /// One hash of all of it.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            // Lengths keep one text's end from passing for another's beginning.
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        add(self.path.as_bytes());
        for (path, content) in &self.files {
            add(path.as_bytes());
            add(&content.0);
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl Files for Bundle {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).map(|content| content.0.clone()).ok_or_else(|| "there is no such file".to_owned())
    }
}

impl Serialize for Content {
    /// Text as it is, anything else in hex.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(text.to_owned()),
            Err(_) => Written::Hex { hex: self.0.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = match Written::deserialize(deserializer)? {
            Written::Text(text) => return Ok(Self(text.into_bytes())),
            Written::Hex { hex } => hex,
        };
        let byte = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a file that is not text is not in hex"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Hex { hex: String },
}

/// Files that are kept as they are read.
pub(crate) struct Kept<'a> {
    files: &'a dyn Files,
    read: Mutex<BTreeMap<String, Content>>,
}

impl<'a> Kept<'a> {
    pub(crate) fn new(files: &'a dyn Files, path: &str, text: &str) -> Self {
        let flow = (path.to_owned(), Content(text.as_bytes().to_vec()));
        Self { files, read: Mutex::new(BTreeMap::from([flow])) }
    }

    /// What was read.
    pub(crate) fn bundle(self, path: &str) -> Bundle {
        Bundle { path: path.to_owned(), files: self.read.into_inner().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Files for Kept<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let bytes = self.files.read(path)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(path.to_owned()).or_insert_with(|| Content(bytes.clone()));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_read_back_as_it_was_written_modules_too() {
        let files = [("flow.yaml", b"flow: t".to_vec()), ("check.wasm", vec![0, 0x61, 0x73, 0xff])];
        let files = files.map(|(path, bytes)| (path.to_owned(), Content(bytes))).into_iter().collect();
        let bundle = Bundle { path: "flow.yaml".to_owned(), files };
        let text = serde_json::to_string(&bundle).expect("a bundle is data");
        assert_eq!(serde_json::from_str::<Bundle>(&text).expect("it is read back"), bundle);
        assert_eq!(bundle.text().as_deref(), Some("flow: t"));
    }
}
