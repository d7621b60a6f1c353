//! Rust, by the compiler that the user has, where it has the standard library for WASI: no registry carries that.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use super::package::{Package, at};
use super::work::Work;
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cache::sha256;
use crate::cancel::Cancel;
use crate::child::{self, CPU_SECONDS, Ended};
use crate::compile;
use crate::guest::Start;
use crate::run::Runnable;
use crate::source::{Language, Source};

const TARGET: &str = "wasm32-wasip1";

const FLAGS: [&str; 10] = [
    "--edition=2021",
    "--target",
    TARGET,
    "-O",
    "--cap-lints=allow",
    "--color=never",
    "-Cpanic=abort",
    "-Cstrip=symbols",
    "-Clink-arg=-zstack-size=268435456",
    "--emit=link=out.wasm,dep-info=read",
];

/// The program's stack in linear memory, as deep as the one for wasm.
const STACK: u64 = 256 << 20;

/// The user's compiler, looked for once.
#[derive(Default)]
pub(super) struct Rust {
    found: OnceLock<Result<Compiler, String>>,
}

/// A compiler that can do it.
#[derive(Debug)]
struct Compiler {
    /// The program itself, where `rustc` on the path is rustup's, which picks another in another folder.
    program: PathBuf,
    version: String,
}

impl Rust {
    /// The compiler, or what is missing.
    fn compiler(&self) -> &Result<Compiler, String> {
        self.found.get_or_init(|| {
            let no_rust = || "no `rustc` was found on the path".to_owned();
            let home = said(Path::new("rustc"), &["--print", "sysroot"]).ok_or_else(no_rust)?;
            let program = Path::new(&home).join("bin").join(if cfg!(windows) { "rustc.exe" } else { "rustc" });
            let version = said(&program, &["--version"]).ok_or_else(no_rust)?;
            let library = said(&program, &["--print", "target-libdir", "--target", TARGET]).ok_or_else(no_rust)?;
            if Path::new(&library).is_dir() {
                Ok(Compiler { program, version })
            } else {
                Err(format!("{version} has no standard library for {TARGET}: `rustup target add {TARGET}`"))
            }
        })
    }
}

/// What the compiler answers.
fn said(compiler: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(compiler).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Toolchain for Rust {
    fn language(&self) -> Language {
        Language::Rust
    }

    fn name(&self) -> String {
        self.compiler().as_ref().map_or_else(|_| "rustc".to_owned(), |compiler| compiler.version.clone())
    }

    fn package(&self) -> Option<&'static Package> {
        None
    }

    fn state(&self, _shop: &Workshop) -> (State, Vec<PathBuf>) {
        (if self.compiler().is_ok() { State::Ready } else { State::Missing }, Vec::new())
    }

    fn hint(&self) -> Option<String> {
        self.compiler().as_ref().err().cloned()
    }

    fn setup(&self, _shop: &Workshop, _origin: Origin<'_>, _on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        self.compiler().as_ref().map(drop).map_err(|how| Error::Missing { how: how.clone() })
    }

    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal> {
        let compiler = self.compiler().as_ref().map_err(|how| Error::Missing { how: how.clone() })?;
        let key = sha256(&[format!("{} {FLAGS:?} ", compiler.version).as_bytes(), &source.code].concat());
        let wasm = shop.cache.program(&key, || build(shop, compiler, source, cancel))?;
        let start = Start {
            args: Arc::from(["main".to_owned()]),
            files: Arc::new(compile::file_tree(&source.files)),
            ..Start::default()
        };
        compile::module(shop, self, &wasm, start, STACK, FLAGS.map(str::to_owned).to_vec())
    }
}

fn build(shop: &Workshop, compiler: &Compiler, source: &Source, cancel: &Cancel) -> Result<Vec<u8>, Refusal> {
    let work = Work::new(shop)?;
    let folder = work.folder();
    let path = folder.join("main.rs");
    fs::File::create(&path).and_then(|mut file| file.write_all(&source.code)).map_err(at(&path))?;
    let mut command = Command::new(&compiler.program);
    command.args(FLAGS).arg("main.rs").current_dir(folder);
    match child::run(&command, &folder.join("log"), CPU_SECONDS, cancel).map_err(at(folder))? {
        Ended::Exit(status, _) if status.success() => {
            let (out, read) = (folder.join("out.wasm"), folder.join("read"));
            let read = fs::read_to_string(&read).map_err(at(&read))?;
            if let Some(what) = read_of_the_host(&read) {
                return Err(Refusal::Program(format!("the program takes {what} into itself, which is not its own")));
            }
            Ok(fs::read(&out).map_err(at(&out))?)
        }
        Ended::Exit(status, said) => {
            work.has_room()?;
            Err(Refusal::Program(child::words(status, &said)))
        }
        Ended::Aborted => Err(Refusal::Aborted),
    }
}

/// What of the host a program read while it was compiled, by what the compiler noted down: each file stands on a line of
/// its own with a colon, each variable of the environment with its value.
fn read_of_the_host(noted: &str) -> Option<String> {
    noted.lines().find_map(|line| match line.strip_prefix("# env-dep:") {
        Some(variable) => variable.split_once('=').map(|(name, _)| format!("`{name}` of the environment")),
        None => line.strip_suffix(':').filter(|file| *file != "main.rs").map(|file| format!("`{file}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_takes_of_the_host_is_noted_by_the_compiler() {
        let noted = |code: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join("main.rs"), code).expect("written");
            fs::write(folder.path().join("beside.txt"), "text").expect("written");
            let mut rustc = Command::new("rustc");
            rustc.args(["--emit=metadata=out,dep-info=read", "main.rs"]).current_dir(folder.path()).env("SECRET", "1");
            assert!(rustc.status().expect("this was compiled by one").success());
            read_of_the_host(&fs::read_to_string(folder.path().join("read")).expect("it was noted down"))
        };
        assert_eq!(noted("fn main() { println!(\"{:?}\", option_env!(\"NOWHERE\")); }"), None);
        assert_eq!(noted("fn main() { println!(env!(\"SECRET\")); }").as_deref(), Some("`SECRET` of the environment"));
        let file = noted("fn main() { println!(include_str!(\"beside.txt\")); }");
        assert_eq!(file.as_deref(), Some("`beside.txt`"));
    }
}
