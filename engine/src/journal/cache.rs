//! Answers of before, found again by what made them.

use crate::run::Cost;
use crate::run::ports::Response;
use crate::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// All that an answer hangs on, as a hash: what is asked, of whom, and where in the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(pub [u8; 16]);

/// An answer of before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Of a model, and what it cost then.
    Call {
        /// The answer.
        response: Arc<Response>,
        /// What it cost.
        cost: Cost,
    },
    /// Of a program, a rule or an embedding.
    Work(Arc<Value>),
}

impl Found {
    /// What is not spent again.
    pub fn saved(&self) -> Cost {
        match self {
            Self::Call { cost, .. } => *cost,
            Self::Work(_) => Cost::default(),
        }
    }
}

impl Key {
    /// The key of what was hashed.
    pub(crate) fn of(hasher: &blake3::Hasher) -> Self {
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Self(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for Key {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(u128::from_str_radix(text, 16)?.to_be_bytes()))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
