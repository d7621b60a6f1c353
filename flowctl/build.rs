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
    let row = |name: &String| {
        let page = fs::read_to_string(pages.join(format!("{name}.md"))).expect("a page is readable");
        format!("    ({name:?}, {page:?}),\n")
    };
    let rows: String = names.iter().map(row).collect();
    let table = format!("/// The rules' pages by name.\nconst PAGES: [(&str, &str); {}] = [\n{rows}];\n", names.len());
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("rule_pages.rs"), table).expect("OUT_DIR is writable");
}
