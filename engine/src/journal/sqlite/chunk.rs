//! Values as trees of chunks, each addressed by the hash of what is in it: what was written once is not written again, so
//! that a history grows with what is new in it. A conversation, which every call sends whole, is such a list.
//!
//! Long texts, long lists (in blocks) and large records become chunks of their own; `{"#": hash}` stands in their place.

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The address of a chunk.
pub(super) type Hash = [u8; 16];

/// A text of so many bytes is a chunk: half a page. A shorter one would cost the page of its own that it is written to, in
/// every commit that has a new one, and save little.
const TEXT: usize = 2048;
/// What is larger in writing is a chunk: a page.
pub(super) const LARGE: usize = 4096;
/// So many items of a list are a block.
const BLOCK: usize = 8;

/// Chunks that a value refers to.
pub(super) type Chunks = Vec<(Hash, Vec<u8>)>;

/// The value with chunks in place of what is long.
pub(super) fn encode(value: Value, chunks: &mut Chunks) -> Value {
    sized(value, chunks).0
}

/// The value and about how long it is in writing.
fn sized(value: Value, chunks: &mut Chunks) -> (Value, usize) {
    let (value, size) = match value {
        Value::String(text) => {
            let size = text.len() + 2;
            return if text.len() >= TEXT { cut(Value::String(text), chunks) } else { (Value::String(text), size) };
        }
        Value::Array(items) => list(items, chunks),
        Value::Object(fields) => {
            // A record of somebody else's that begins like one of ours is wrapped in one of ours.
            let foreign = fields.keys().next().is_some_and(|key| key.starts_with('#'));
            let mut size = 2;
            let fields: Map<String, Value> = fields
                .into_iter()
                .map(|(key, value)| {
                    let (value, long) = sized(value, chunks);
                    size += key.len() + 4 + long;
                    (key, value)
                })
                .collect();
            if foreign { (json!({ "#map": fields }), size + 9) } else { (Value::Object(fields), size) }
        }
        small @ (Value::Null | Value::Bool(_) | Value::Number(_)) => return (small, 8),
    };
    if size >= LARGE { cut(value, chunks) } else { (value, size) }
}

/// A list: whole blocks are chunks, so that a list which grew shares them with the one it grew from.
fn list(items: Vec<Value>, chunks: &mut Chunks) -> (Value, usize) {
    let whole = items.len() / BLOCK;
    let mut blocks = Vec::with_capacity(whole);
    let (mut block, mut size) = (Vec::with_capacity(BLOCK.min(items.len())), 2);
    for item in items {
        let (item, long) = sized(item, chunks);
        block.push(item);
        size += long + 1;
        if block.len() == BLOCK {
            let (Value::Object(mut cut), _) = cut(Value::Array(std::mem::take(&mut block)), chunks) else {
                unreachable!("internal error: what is cut is a record")
            };
            blocks.extend(cut.remove("#"));
            size = 2;
        }
    }
    if whole == 0 {
        return (Value::Array(block), size);
    }
    let (blocks, blocks_size) = list(blocks, chunks);
    (json!({ "#list": blocks, "rest": block }), size + blocks_size + 18)
}

fn cut(value: Value, chunks: &mut Chunks) -> (Value, usize) {
    let body = serde_json::to_vec(&value).expect("internal error: values are data");
    let mut hash = Hash::default();
    hash.copy_from_slice(&blake3::hash(&body).as_bytes()[..16]);
    chunks.push((hash, body));
    (json!({ "#": hex(&hash) }), 40)
}

pub(super) fn hex(hash: &Hash) -> String {
    format!("{:032x}", u128::from_be_bytes(*hash))
}

/// The address that was written in hex.
pub(super) fn address(hex: &str) -> Option<Hash> {
    u128::from_str_radix(hex, 16).ok().map(u128::to_be_bytes)
}

/// Puts values together again; what was read once is kept, for most chunks are referred to more than once.
pub(super) struct Decoder<F> {
    read: F,
    known: HashMap<Hash, Value>,
}

/// A chunk that is missing or broken.
pub(super) type Broken = String;

impl<F: Fn(&Hash) -> Result<Vec<u8>, Broken>> Decoder<F> {
    /// `read` gives the body of a chunk.
    pub(super) fn new(read: F) -> Self {
        Self { read, known: HashMap::new() }
    }

    pub(super) fn decode(&mut self, value: Value) -> Result<Value, Broken> {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.decode(item)).collect(),
            Value::Object(mut fields) => match fields.keys().next().map(String::as_str) {
                Some("#") => match fields.get("#").and_then(Value::as_str).and_then(address) {
                    Some(hash) => self.chunk(hash),
                    None => Err("a chunk has no address".to_owned()),
                },
                Some("#list") => {
                    let blocks = fields.remove("#list").unwrap_or_default();
                    let mut items = Vec::new();
                    for block in self.decode(blocks)?.as_array().into_iter().flatten() {
                        let hash = block.as_str().and_then(address).ok_or("a block has no address")?;
                        if let Value::Array(block) = self.chunk(hash)? {
                            items.extend(block);
                        }
                    }
                    if let Value::Array(rest) = self.decode(fields.remove("rest").unwrap_or_default())? {
                        items.extend(rest);
                    }
                    Ok(Value::Array(items))
                }
                Some("#map") => match fields.remove("#map") {
                    Some(Value::Object(fields)) => self.fields(fields),
                    _ => Err("a record is not one".to_owned()),
                },
                _ => self.fields(fields),
            },
            plain => Ok(plain),
        }
    }

    fn fields(&mut self, fields: Map<String, Value>) -> Result<Value, Broken> {
        let fields = fields.into_iter().map(|(key, value)| Ok((key, self.decode(value)?)));
        Ok(Value::Object(fields.collect::<Result<_, Broken>>()?))
    }

    fn chunk(&mut self, hash: Hash) -> Result<Value, Broken> {
        if let Some(known) = self.known.get(&hash) {
            return Ok(known.clone());
        }
        let body = (self.read)(&hash)?;
        let value = serde_json::from_slice(&body).map_err(|error| format!("a chunk can't be read: {error}"))?;
        let value = self.decode(value)?;
        self.known.insert(hash, value.clone());
        Ok(value)
    }
}

/// All addresses that a body refers to, of blocks too.
pub(super) fn addresses(value: &Value, found: &mut impl FnMut(Hash)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| addresses(item, found)),
        Value::Object(fields) => match fields.iter().next() {
            Some((key, Value::String(hex))) if key == "#" => {
                if let Some(hash) = address(hex) {
                    found(hash);
                }
            }
            Some((key, blocks)) if key == "#list" => {
                for hash in blocks.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(address) {
                    found(hash);
                }
                fields.values().for_each(|value| addresses(value, found));
            }
            _ => fields.values().for_each(|value| addresses(value, found)),
        },
        // The addresses of a list's blocks may stand in a chunk of their own, as texts. A text that merely looks like an
        // address keeps a chunk that could go, which harms nobody.
        Value::String(text) if text.len() == 32 => {
            if let Some(hash) = address(text) {
                found(hash);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(value: &Value) -> (Value, Chunks) {
        let mut chunks = Chunks::new();
        let written = encode(value.clone(), &mut chunks);
        let stored: HashMap<Hash, Vec<u8>> = chunks.iter().cloned().collect();
        let mut decoder = Decoder::new(|hash: &Hash| stored.get(hash).cloned().ok_or("it is missing".to_owned()));
        (decoder.decode(written).expect("it is read back"), chunks)
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|x| json!(x)),
            "[a-z#\"\\\\\\n]{0,9}".prop_map(Value::from),
            (1000..4000usize).prop_map(|n| json!("x".repeat(n))),
        ];
        leaf.prop_recursive(4, 200, 40, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..40).prop_map(Value::Array),
                prop::collection::vec(("#?(map|list|rest)?[a-z]{0,2}", inner), 0..9)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_put_together_as_it_was(value in any_value()) {
            prop_assert_eq!(&there_and_back(&value).0, &value);
        }
    }

    #[test]
    fn a_list_that_grows_shares_all_but_its_end() {
        let item = |n: usize| json!({ "role": "user", "text": format!("{n} {}", "word ".repeat(60)) });
        let mut seen = std::collections::HashSet::new();
        let mut bytes = 0;
        for length in 1..=400 {
            let value = Value::Array((0..length).map(item).collect());
            let (back, chunks) = there_and_back(&value);
            assert_eq!(back, value);
            bytes += chunks.iter().filter(|(hash, _)| seen.insert(*hash)).map(|(_, body)| body.len()).sum::<usize>();
        }
        // The texts are 120 kB; all 400 lists written out would be 25 MB.
        assert!(bytes < 1_200_000, "{bytes} bytes");
    }

    #[test]
    fn every_chunk_of_a_value_is_found() {
        let value = json!({ "a": (0..500).map(|n| json!({ "n": n, "text": "y".repeat(9 * n) })).collect::<Vec<_>>() });
        let mut chunks = Chunks::new();
        let written = encode(value, &mut chunks);
        let stored: HashMap<Hash, Vec<u8>> = chunks.into_iter().collect();
        let (mut reached, mut open) = (std::collections::HashSet::new(), vec![written]);
        while let Some(value) = open.pop() {
            addresses(&value, &mut |hash| {
                if let (true, Some(body)) = (reached.insert(hash), stored.get(&hash)) {
                    open.push(serde_json::from_slice(body).expect("a chunk is JSON"));
                }
            });
        }
        assert_eq!(reached.len(), stored.len());
    }
}
