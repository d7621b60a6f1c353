//! What is handed in to be judged: a language and a text, with the files that lie beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language that candidates may be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Python, by CPython on WASI.
    Python,
    /// C, by clang.
    C,
    /// C++, by clang.
    Cpp,
    /// JavaScript, by QuickJS.
    Javascript,
    /// Rust, by the compiler that the user has.
    Rust,
    /// WebAssembly itself: a binary, or its text form.
    Wasm,
}

impl Language {
    /// All languages, in the order they are shown.
    pub const ALL: [Self; 6] = [Self::Python, Self::C, Self::Cpp, Self::Javascript, Self::Rust, Self::Wasm];

    /// The name that flows and the command line use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Javascript => "javascript",
            Self::Rust => "rust",
            Self::Wasm => "wasm",
        }
    }

    /// The language that a file's ending stands for.
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "py" | "py3" => Some(Self::Python),
            "c" => Some(Self::C),
            "cc" | "cpp" | "cxx" | "c++" | "C" => Some(Self::Cpp),
            "js" | "mjs" | "cjs" => Some(Self::Javascript),
            "rs" => Some(Self::Rust),
            "wasm" | "wat" => Some(Self::Wasm),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A language name that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language here: expected python, c, cpp, javascript, rust or wasm")]
pub struct UnknownLanguage(String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|l| l.name() == name).ok_or_else(|| UnknownLanguage(name.to_owned()))
    }
}

/// Files that a program finds beside it, read-only, by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A program as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What it is written in.
    pub language: Language,
    /// Its text; for [`Language::Wasm`] the module or its text form.
    #[serde(with = "text")]
    pub code: Vec<u8>,
    /// Read-only files beside the program.
    #[serde(default, with = "texts")]
    pub files: Files,
}

impl Source {
    /// A program without files.
    pub fn new(language: Language, code: impl Into<Vec<u8>>) -> Self {
        Self { language, code: code.into(), files: Files::new() }
    }
}

/// Bytes as JSON text, one character a byte: any module survives, and ordinary code can be read.
pub(crate) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        decode(&String::deserialize(from)?).ok_or_else(|| de::Error::custom("expected one character for each byte"))
    }

    pub(super) fn encode(bytes: &[u8]) -> String {
        bytes.iter().copied().map(char::from).collect()
    }

    pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
        text.chars().map(|c| u8::try_from(c).ok()).collect()
    }
}

/// [`text`], for each file of a map.
mod texts {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{Files, text};

    pub(super) fn serialize<S: Serializer>(files: &Files, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(files.iter().map(|(path, bytes)| (path, text::encode(bytes))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Files, D::Error> {
        BTreeMap::<String, String>::deserialize(from)?
            .into_iter()
            .map(|(path, coded)| Some((path, text::decode(&coded)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| de::Error::custom("expected one character for each byte"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive_the_way_through_json() {
        let mut source = Source::new(Language::Wasm, (0..=255).collect::<Vec<u8>>());
        source.files.insert("data.bin".into(), vec![0, 255, 10]);
        let json = serde_json::to_string(&source).expect("serialises");
        assert_eq!(serde_json::from_str::<Source>(&json).expect("parses"), source);
    }

    #[test]
    fn every_language_is_found_by_its_own_name() {
        for language in Language::ALL {
            assert_eq!(language.name().parse(), Ok(language));
        }
        assert!("cobol".parse::<Language>().is_err());
    }
}
