//! Gives the crate a name for its own sources: a result that is kept holds for the code that made it.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

fn main() {
    println!("cargo::rerun-if-changed=src");
    let mut hasher = Sha256::new();
    add(Path::new("src"), &mut hasher);
    println!("cargo::rustc-env=FLOW_SANDBOX_SOURCES={:x}", hasher.finalize());
}

fn add(folder: &Path, hasher: &mut Sha256) {
    let entries = fs::read_dir(folder).expect("the sources are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("they are readable").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(&path, hasher);
        } else {
            hasher.update(path.as_os_str().as_encoded_bytes());
            hasher.update(fs::read(&path).expect("they are readable"));
        }
    }
}
