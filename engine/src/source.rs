//! The texts of one load: the flow file, its prompt files, its imports.

use std::collections::BTreeMap;

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
