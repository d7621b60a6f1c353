//! C and C++: the clang, libc and libc++ of a pinned zig, with what contest programs expect beside them:
//! `bits/stdc++.h`, the two usual containers of `ext/pb_ds`, exceptions, and a deep stack.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use super::package::{self, Package, Wheel, at};
use super::work::Work;
use super::{Error, Origin, Progress, Refusal, State, Toolchain, Workshop};
use crate::cache::sha256;
use crate::cancel::Cancel;
use crate::child::{self, CPU_SECONDS, Ended};
use crate::compile;
use crate::guest::Start;
use crate::run::Runnable;
use crate::source::{Language, Source};

const PACKAGE: Package = Package {
    name: "ziglang",
    version: "0.17.0",
    licence: "MIT; clang, libc++ and wasi-libc are under Apache-2.0 with LLVM exceptions",
    wheels: &[
        Wheel {
            system: "linux-x86_64",
            file: "ziglang-0.17.0-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl",
            sha256: "97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b",
            bytes: 101_011_302,
        },
        Wheel {
            system: "linux-aarch64",
            file: "ziglang-0.17.0-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
            sha256: "d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3",
            bytes: 97_992_724,
        },
        Wheel {
            system: "macos-x86_64",
            file: "ziglang-0.17.0-py3-none-macosx_13_0_x86_64.whl",
            sha256: "4d910f0e363ddb60a6b8ddb55235617797a8ccbcb6c5c7132a949d9f833eea42",
            bytes: 104_418_550,
        },
        Wheel {
            system: "macos-aarch64",
            file: "ziglang-0.17.0-py3-none-macosx_13_0_arm64.whl",
            sha256: "87274af689c4128051b26c80f6f676757e0a81c2fdc137fd8b5679e928e4bc4f",
            bytes: 100_425_967,
        },
    ],
};

/// Our own headers, by where they lie.
pub(super) const HEADERS: [(&str, &str); 4] = [
    ("bits/stdc++.h", include_str!("zig/include/bits/stdc++.h")),
    ("ext/pb_ds/assoc_container.hpp", include_str!("zig/include/ext/pb_ds/assoc_container.hpp")),
    ("ext/pb_ds/tree_policy.hpp", include_str!("zig/include/ext/pb_ds/tree_policy.hpp")),
    ("ext/pb_ds/hash_policy.hpp", include_str!("zig/include/ext/pb_ds/hash_policy.hpp")),
];

/// The tag by which wasm tells C++ exceptions from others; the package's libc++ was built without.
const TAG: &str = "\t.tagtype __cpp_exception i32\n\t.globl __cpp_exception\n__cpp_exception:\n";

/// What makes exceptions work, built from the package's own sources: object, source, and the folders and definitions
/// that its own build files give it.
const OBJECTS: [(&str, &str); 3] = [
    ("unwind.o", "libunwind/src/Unwind-wasm.c"),
    ("exception.o", "libcxxabi/src/cxa_exception.cpp"),
    ("personality.o", "libcxxabi/src/cxa_personality.cpp"),
];

const OBJECT_FLAGS: [&str; 11] = [
    // The other way round than for programs: assertions here would want a log that is not built.
    "-DNDEBUG",
    "-fdeclspec",
    "-D_LIBUNWIND_HAS_NO_THREADS",
    "-D_LIBUNWIND_HIDE_SYMBOLS",
    "-D_LIBUNWIND_DISABLE_VISIBILITY_ANNOTATIONS",
    "-D_LIBCXXABI_BUILDING_LIBRARY",
    "-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS",
    "-D_LIBCXXABI_HAS_NO_THREADS",
    "-DLIBCXXABI_NON_DEMANGLING_TERMINATE",
    "-D_LIBCPP_BUILDING_LIBRARY",
    "-std=c++23",
];

const INCLUDES: [&str; 5] = ["libcxxabi/include", "libcxxabi/src", "libcxx/src", "libunwind/include", "libunwind/src"];

/// What everything is compiled with. Another `-mcpu` would build libc++ anew.
const TARGET: [&str; 9] = [
    "-target",
    "wasm32-wasi",
    "-mcpu=generic+exception_handling+simd128+bulk_memory+sign_ext+nontrapping_fptoint",
    "-fwasm-exceptions",
    "-mllvm",
    "-wasm-use-legacy-eh=false",
    "-O2",
    "-w",
    // zig defines NDEBUG at -O2, but programs read their input inside `assert`.
    "-UNDEBUG",
];

/// What of the host's files is seen, beside the program.
const OVERLAY: &str = ".overlay.yaml";

/// This libc++ was built without file streams. A program that names them is given their headers, and what it needs of
/// them is compiled with it: the others would only pay for them.
const FILE_STREAMS: &str = "-D_LIBCPP_HAS_FILESYSTEM=1";
const FILE_STREAMS_FILE: &str = "file_streams.cpp";
const FILE_STREAMS_TEXT: &str = "#include <fstream>
template class std::basic_filebuf<char>;
template class std::basic_ifstream<char>;
template class std::basic_ofstream<char>;
template class std::basic_fstream<char>;
";

/// The program's stack in linear memory, as deep as the one for wasm.
const STACK: u64 = 256 << 20;

/// Processor time of one compiler process while the libraries are built: 39 seconds were seen for all of them.
const SETUP_SECONDS: u64 = 1800;

/// One of the two languages; they share the installation.
pub(super) struct Zig(pub(super) Language);

/// Files of an installation.
struct Folder(PathBuf);

impl Folder {
    fn of(shop: &Workshop) -> Self {
        let mut made_of = format!("{} {TARGET:?} {OBJECTS:?} {OBJECT_FLAGS:?} {TAG}", PACKAGE.version);
        HEADERS.iter().for_each(|(name, text)| made_of.extend([*name, *text]));
        Self(shop.cache.toolchain(&format!("zig-{}-{}", PACKAGE.version, &sha256(made_of.as_bytes())[..12])))
    }

    fn zig(&self) -> PathBuf {
        self.0.join("ziglang").join(if cfg!(windows) { "zig.exe" } else { "zig" })
    }

    /// The compiler's own cache, with the libraries it built. What is in it is found by hash, so it outlives a set-up
    /// that was cut short: building libc++ is the long part.
    fn cache(&self) -> PathBuf {
        self.0.with_file_name(format!("zig-{}-cache", PACKAGE.version))
    }

    /// There when all else is: the hash of what a known program compiled to.
    fn ready(&self) -> PathBuf {
        self.0.join("ready")
    }

    fn usable(&self) -> bool {
        self.ready().exists() && self.zig().exists()
    }

    /// The compiler, called in `work`; its caches are ours. What it makes of one program it keeps in `work` and nowhere
    /// else, or the cache would grow by a MB with each.
    fn command(&self, driver: &str, work: &Path) -> Command {
        let mut command = Command::new(self.zig());
        command
            .arg(driver)
            .args(TARGET)
            .current_dir(work)
            .env("ZIG_GLOBAL_CACHE_DIR", self.cache())
            .env("ZIG_LOCAL_CACHE_DIR", work.join("cache"))
            // What `__DATE__` and `__TIME__` say: when the guest's own calendar begins.
            .env("SOURCE_DATE_EPOCH", "1577836800");
        command
    }

    fn build(&self, source: &Source, work: &Work, cpu_seconds: u64, cancel: &Cancel) -> Result<Vec<u8>, Refusal> {
        let folder = work.folder();
        let (driver, file) = driver(source.language);
        let path = folder.join(file);
        fs::write(&path, &source.code).map_err(at(&path))?;
        let mut command = self.command(driver, folder);
        command.args(flags(source)).args([file, "-o", "out.wasm"]);
        if names_file_streams(source) {
            let path = folder.join(FILE_STREAMS_FILE);
            fs::write(&path, FILE_STREAMS_TEXT).map_err(at(&path))?;
            command.arg(FILE_STREAMS_FILE);
        }
        for (name, bytes) in &source.files {
            // Headers are found beside the program, and what else is source is compiled with it.
            let Some(name) = crate::files::resolve("", name).filter(|name| name != file) else { continue };
            let path = folder.join(&name);
            fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(at(&path))?;
            fs::write(&path, bytes).map_err(at(&path))?;
            let ending = Path::new(&name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if Language::of_extension(ending) == Some(source.language) {
                command.arg(format!("./{name}"));
            }
        }
        if source.language == Language::Cpp {
            command.arg("-I").arg(self.0.join("include"));
            for object in ["tag.o", "unwind.o", "exception.o", "personality.o"] {
                command.arg(self.0.join("objects").join(object));
            }
        }
        // Last, so that no file of the program takes its place.
        let overlay = folder.join(OVERLAY);
        fs::write(&overlay, self.seen(folder)).map_err(at(&overlay))?;
        command.args(["-ivfsoverlay", OVERLAY]);
        match child::run(&command, &folder.join("log"), cpu_seconds, cancel).map_err(at(&self.zig()))? {
            Ended::Exit(status, _) if status.success() => {
                let out = folder.join("out.wasm");
                Ok(fs::read(&out).map_err(at(&out))?)
            }
            Ended::Exit(status, said) => {
                work.has_room()?;
                Err(Refusal::Program(self.words(status, &said, folder)))
            }
            Ended::Aborted => Err(Refusal::Aborted),
        }
    }

    /// What a compiler of a program sees of the host's files, in clang's words: its own, the libraries it built, and the
    /// program. An `#include` or `#embed` of any other path finds nothing.
    fn seen(&self, work: &Path) -> String {
        let folders = [&self.0, &self.cache(), work].map(
            |folder| serde_json::json!({ "type": "directory-remap", "name": folder, "external-contents": folder }),
        );
        serde_json::json!({ "version": 0, "redirecting-with": "redirect-only", "overlay-relative": false, "roots": folders })
            .to_string()
    }

    /// What the compiler says, without where we keep things: a report is the same on every host.
    fn words(&self, status: ExitStatus, said: &str, work: &Path) -> String {
        let mut said = said.to_owned();
        for (folder, shown) in [(work, ""), (&self.0, ""), (&self.cache(), "cache/")] {
            said = said.replace(&format!("{}/", folder.display()), shown);
        }
        child::words(status, &without_object_folders(&said))
    }
}

/// The linker's words without the folders that zig names by hash, as in `cache/o/0f…9c/main.o: undefined symbol`.
fn without_object_folders(said: &str) -> String {
    const FOLDERS: &str = "cache/o/";
    const HASH: usize = 32;
    let mut parts = said.split(FOLDERS);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_at_checked(HASH) {
            Some((hash, rest)) if rest.starts_with('/') && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                kept += &rest[1..];
            }
            _ => kept.extend([FOLDERS, part]),
        }
    }
    kept
}

fn driver(language: Language) -> (&'static str, &'static str) {
    if language == Language::C { ("cc", "main.c") } else { ("c++", "main.cpp") }
}

/// Whether a program may read or write files by streams.
fn names_file_streams(source: &Source) -> bool {
    let names = |text: &[u8]| text.windows(7).any(|word| word == b"fstream");
    source.language == Language::Cpp && (names(&source.code) || source.files.values().any(|text| names(text)))
}

fn flags(source: &Source) -> Vec<&'static str> {
    let streams = names_file_streams(source).then_some(FILE_STREAMS);
    language_flags(source.language).iter().copied().chain(streams).collect()
}

/// There is no processor to write it for, and its `.incbin` reads any file of the host. An empty text is let through:
/// programs use it to keep the optimizer from something.
const NO_ASSEMBLY: &str = "-fno-gnu-inline-asm";

fn language_flags(language: Language) -> &'static [&'static str] {
    if language == Language::C {
        &[
            "-std=gnu17",
            NO_ASSEMBLY,
            // What C compilers long took, contest programs still do: calls of undeclared functions and the like.
            "-Wno-error=implicit-function-declaration",
            "-Wno-error=implicit-int",
            "-Wno-error=int-conversion",
            "-Wno-error=incompatible-function-pointer-types",
            "-Wno-error=incompatible-pointer-types",
            "-Wno-error=return-mismatch",
            "-Wl,-z,stack-size=268435456",
            "-s",
            "-fno-color-diagnostics",
            "-lm",
        ]
    } else {
        &[
            "-std=gnu++20",
            NO_ASSEMBLY,
            "-D_LIBCPP_ENABLE_CXX17_REMOVED_RANDOM_SHUFFLE",
            "-D_LIBCPP_ENABLE_CXX17_REMOVED_BINDERS",
            "-D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION",
            "-D_LIBCPP_ENABLE_CXX17_REMOVED_AUTO_PTR",
            // What g++ only warns of.
            "-Wno-c++11-narrowing",
            "-Wno-register",
            "-Wl,-z,stack-size=268435456",
            "-s",
            "-fno-color-diagnostics",
            "-ferror-limit=5",
        ]
    }
}

impl Toolchain for Zig {
    fn language(&self) -> Language {
        self.0
    }

    fn name(&self) -> String {
        format!("clang ({} {})", PACKAGE.name, PACKAGE.version)
    }

    fn package(&self) -> Option<&'static Package> {
        Some(&PACKAGE)
    }

    fn state(&self, shop: &Workshop) -> (State, Vec<PathBuf>) {
        let folder = Folder::of(shop);
        let state = match (folder.ready().exists(), folder.zig().exists()) {
            (true, true) => State::Ready,
            (true, false) => State::Broken("the compiler is gone".to_owned()),
            (false, _) => State::Missing,
        };
        (state, vec![folder.cache(), folder.0])
    }

    fn setup(&self, shop: &Workshop, origin: Origin<'_>, on: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        let folder = Folder::of(shop);
        if folder.usable() {
            return Ok(());
        }
        let _lock = shop.cache.lock_for("zig", on).map_err(at(shop.cache.root()))?;
        if folder.usable() {
            return Ok(());
        }
        let wheel = PACKAGE.fetch(&shop.cache, origin, on)?;
        on(Progress::Unpacking);
        // What a set-up that was cut short left behind may be half of anything.
        match fs::remove_dir_all(&folder.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&folder.0)(error)),
            _ => shop.cache.make(&folder.0).map_err(at(&folder.0))?,
        }
        package::unpack(&wheel, "ziglang/", &folder.0)?;
        for (name, text) in HEADERS {
            let path = folder.0.join("include").join(name);
            shop.cache.write(&path, |file| file.write_all(text.as_bytes())).map_err(at(&path))?;
        }
        on(Progress::Compiling { step: 1, of: 2 });
        build_objects(shop, &folder)?;
        on(Progress::Compiling { step: 2, of: 2 });
        // The first program builds libc and libc++; a user's program must not have to.
        let mut known = String::new();
        for (language, text) in [
            (
                Language::C,
                "#include <stdio.h>\n#include <math.h>\nint main(void) { double x; return scanf(\"%lf\", &x) == 1 && puts(\"\") > 0 && sqrt(x) > 2; }",
            ),
            (
                Language::Cpp,
                "#include <bits/stdc++.h>\nint main() { try { throw std::runtime_error(\"x\"); } catch (std::exception &e) { std::cout << e.what(); } }",
            ),
        ] {
            let wasm = folder
                .build(&Source::new(language, text), &Work::new(shop)?, SETUP_SECONDS, &Cancel::new())
                .map_err(|refusal| {
                    let why = match refusal {
                        Refusal::Program(said) => said,
                        Refusal::Aborted => "building the libraries took too long".to_owned(),
                        Refusal::Toolchain(error) => return error,
                    };
                    Error::Broken { folder: folder.0.clone(), why }
                })?;
            known += &sha256(&wasm);
        }
        shop.cache.write(&folder.ready(), |file| file.write_all(known.as_bytes())).map_err(at(&folder.ready()))
    }

    fn compile(&self, shop: &Workshop, source: &Source, cancel: &Cancel) -> Result<Runnable, Refusal> {
        let folder = Folder::of(shop);
        if !folder.usable() {
            return Err(Error::Missing { how: format!("set up `{}` first", self.0) }.into());
        }
        let (flags, id) = (flags(source), folder.0.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let mut all = format!("{id} {} {flags:?} ", self.0).into_bytes();
        for (name, bytes) in &source.files {
            all.extend(format!("{name} {} ", bytes.len()).bytes().chain(bytes.iter().copied()));
        }
        let key = sha256(&[&all, source.code.as_slice()].concat());
        let wasm = shop.cache.program(&key, || folder.build(source, &Work::new(shop)?, CPU_SECONDS, cancel))?;
        let start = Start {
            args: Arc::from(["main".to_owned()]),
            files: Arc::new(compile::file_tree(&source.files)),
            ..Start::default()
        };
        let flags = TARGET.iter().chain(&flags).map(|flag| (*flag).to_owned()).collect();
        compile::module(shop, self, &wasm, start, STACK, flags)
    }
}

/// Compiles the objects that make exceptions work.
fn build_objects(shop: &Workshop, folder: &Folder) -> Result<(), Error> {
    let objects = folder.0.join("objects");
    shop.cache.make(&objects).map_err(at(&objects))?;
    let tag = objects.join("tag.s");
    fs::write(&tag, TAG).map_err(at(&tag))?;
    let library = folder.0.join("ziglang").join("lib");
    let sources = OBJECTS.map(|(object, source)| (object, library.join(source)));
    for (object, source) in [("tag.o", tag)].into_iter().chain(sources) {
        let cpp = source.extension().is_some_and(|extension| extension == "cpp");
        let mut command = folder.command(if cpp { "c++" } else { "cc" }, &objects);
        command.arg("-c").arg(&source).args(["-o", object]);
        if object != "tag.o" {
            command.args(OBJECT_FLAGS.iter().filter(|flag| cpp || !flag.starts_with("-std")));
            for include in INCLUDES {
                command.arg("-I").arg(library.join(include));
            }
        }
        let broken = |why: String| Error::Broken { folder: folder.0.clone(), why };
        match child::run(&command, &objects.join("log"), SETUP_SECONDS, &Cancel::new()).map_err(at(&folder.zig()))? {
            Ended::Exit(status, _) if status.success() => {}
            Ended::Exit(status, said) => {
                return Err(broken(format!("`{object}`: {}", folder.words(status, &said, &objects))));
            }
            Ended::Aborted => return Err(broken(format!("`{object}` took too long to compile"))),
        }
    }
    // What the compiler noted down on the way is of no more use.
    drop(fs::remove_dir_all(objects.join("cache")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_names_no_folder_of_ours() {
        let hash = "be53bb1d70f2ed8953174344faafa9da";
        let said = format!(
            "wasm-ld: error: cache/o/{hash}/u.o: undefined symbol: cache/o/()\n>>> by x (cache/o/{hash}/libc.a(m.o))"
        );
        assert_eq!(
            without_object_folders(&said),
            "wasm-ld: error: u.o: undefined symbol: cache/o/()\n>>> by x (libc.a(m.o))"
        );
    }
}
