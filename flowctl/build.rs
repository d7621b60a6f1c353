//! Puts the pages of `docs/rules` into the binary, so that `flowctl explain` needs no files.

use std::path::Path;
use std::{env, fs};

fn main() {
    let pages = Path::new("../docs/rules");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut names: Vec<String> = fs::read_dir(pages)
        .expect("docs/rules is there")
        .filter_map(|entry| Some(entry.ok()?.path().file_name()?.to_str()?.strip_suffix(".md")?.to_owned()))
        .filter(|name| name != "README")
        .collect();
    names.sort();
    let folder = pages.canonicalize().expect("docs/rules is there");
    let rows: String = names
        .iter()
        .map(|name| format!("    ({name:?}, include_str!({:?})),\n", folder.join(format!("{name}.md"))))
        .collect();
    let table = format!("/// The rules' pages by name.\nconst PAGES: [(&str, &str); {}] = [\n{rows}];\n", names.len());
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("rule_pages.rs"), table).expect("OUT_DIR is writable");
}
