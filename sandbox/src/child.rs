//! Compilers as child processes: with limits, ended as a group, nothing left behind even when we are killed ourselves.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// Processor time of a compiler: what takes longer than this is a program made to keep it busy.
pub(crate) const CPU_SECONDS: u64 = 30;

/// Address space of a compiler, in KiB. clang asks for one or two GiB; templates that eat memory ask for all there is.
const ADDRESS_KIB: u64 = 4 << 20;

/// The longest file that a compiler may write, in blocks of 512 bytes: the zeros of a program's arrays are written out
/// before they are linked, so it is the 2 GiB that a program may be given and what else is in it. More must not fill the
/// disk.
const FILE_BLOCKS: u64 = 9 << 19;

/// When the host gives up. Only a host that is much too busy gets here: the limit that counts is processor time.
const WALL: Duration = Duration::from_secs(600);

/// How often a child is looked at. Compiling takes a second, so this is not felt.
const PAUSE: Duration = Duration::from_millis(5);

/// Sets limits, which everything that the compiler starts inherits, and becomes the compiler. Beside it waits a reader
/// of our end of a pipe: when we are gone, however that came, the pipe ends and the reader ends the group.
#[cfg(unix)]
const SCRIPT: &str = r#"
ulimit -t "$1"; ulimit -f "$2"; ulimit -v "$3" 2>/dev/null; shift 3
exec 3<&0 </dev/null
{ read -r end <&3; kill -KILL 0; } &
exec 3<&-; exec "$@"
"#;

/// How a child ended.
pub(crate) enum Ended {
    /// By itself, or by a limit; with what it wrote to standard error.
    Exit(ExitStatus, String),
    /// We ended it: cancelled, or the wall guard passed.
    Aborted,
}

/// Runs a command to its end. `log` is a file for its standard error; `cpu_seconds` is what each process of it may use.
pub(crate) fn run(command: &Command, log: &Path, cpu_seconds: u64, cancel: &Cancel) -> io::Result<Ended> {
    run_within(command, log, [cpu_seconds, FILE_BLOCKS, ADDRESS_KIB], cancel)
}

/// Within limits as [`SCRIPT`] takes them.
fn run_within(command: &Command, log: &Path, limits: [u64; 3], cancel: &Cancel) -> io::Result<Ended> {
    let mut group = Group(limited(command, limits).stdout(Stdio::null()).stderr(File::create(log)?).spawn()?);
    let begun = Instant::now();
    loop {
        if let Some(status) = group.0.try_wait()? {
            return Ok(Ended::Exit(status, String::from_utf8_lossy(&fs::read(log)?).into_owned()));
        }
        if cancel.is_cancelled() || begun.elapsed() > WALL {
            return Ok(Ended::Aborted);
        }
        thread::sleep(PAUSE);
    }
}

/// The command, by way of a shell that sets its limits, in a group of its own.
#[cfg(unix)]
fn limited(command: &Command, limits: [u64; 3]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "sh"]).args(limits.map(|limit| limit.to_string()));
    shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::piped());
    copy_setting(command, &mut shell);
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell
}

/// The command as it is: here the wall guard is all there is.
#[cfg(not(unix))]
fn limited(command: &Command, _limits: [u64; 3]) -> Command {
    let mut plain = Command::new(command.get_program());
    plain.args(command.get_args()).stdin(Stdio::null());
    copy_setting(command, &mut plain);
    plain
}

/// Folder and environment.
fn copy_setting(from: &Command, to: &mut Command) {
    if let Some(folder) = from.get_current_dir() {
        to.current_dir(folder);
    }
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// What a compiler that refused says.
pub(crate) fn words(status: ExitStatus, said: &str) -> String {
    match said.trim() {
        "" => format!("the compiler ended with {status}: the program takes long or much to compile"),
        said => said.to_owned(),
    }
}

/// A child and all that it started; they end with this value.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            // The reader of our pipe is there still, so the group's number is its own.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    fn ended(text: &str, cpu_seconds: u64) -> (ExitStatus, String) {
        let log = folder().path().join("log");
        fs::create_dir_all(log.parent().expect("it has one")).expect("it is made");
        match run(&shell(text), &log, cpu_seconds, &Cancel::new()).expect("it runs") {
            Ended::Exit(status, said) => (status, said),
            Ended::Aborted => panic!("nobody ended it"),
        }
    }

    #[test]
    fn a_command_keeps_its_words_and_its_exit_code() {
        let (status, said) = ended("echo \"$0 it's\" >&2; exit 3", 5);
        assert_eq!((status.code(), said.as_str()), (Some(3), "sh it's\n"));
    }

    #[test]
    fn a_command_that_computes_for_ever_is_ended_by_its_limit() {
        assert!(!ended("while :; do :; done", 1).0.success());
    }

    #[test]
    fn a_command_that_writes_for_ever_is_ended_by_its_limit() {
        let (folder, log) = (folder(), folder());
        let mut command = shell("exec cat /dev/zero > out");
        command.current_dir(folder.path());
        let (log, blocks) = (log.path().join("log"), 1 << 10);
        let ended = run_within(&command, &log, [30, blocks, ADDRESS_KIB], &Cancel::new()).expect("it runs");
        assert!(matches!(ended, Ended::Exit(status, _) if !status.success()));
        assert!(fs::metadata(folder.path().join("out")).expect("it was begun").len() <= blocks * 1024);
    }

    #[test]
    fn what_a_command_started_ends_with_it() {
        let folder = folder();
        let mut command = shell("sleep 1000 & echo $! > pid");
        command.current_dir(folder.path());
        run(&command, &folder.path().join("log"), 5, &Cancel::new()).expect("it runs");
        let pid = fs::read_to_string(folder.path().join("pid")).expect("it was written");
        assert!(gone(pid.trim()), "process {pid} is still there");
    }

    #[test]
    fn a_compiler_ends_when_its_owner_is_killed() {
        let folder = folder();
        // Stands for us: a process that holds the other end of the pipe, and is killed without a word.
        let mut owner = shell(
            "mkfifo pipe; sh -c \"$SCRIPT\" sh 5 1000 unlimited sh -c 'sleep 1000 & echo $! > pid; wait' < pipe & exec sleep 1000 > pipe",
        );
        std::os::unix::process::CommandExt::process_group(&mut owner, 0);
        let mut owner = owner.current_dir(folder.path()).env("SCRIPT", SCRIPT).spawn().expect("it runs");
        let written = || fs::read_to_string(folder.path().join("pid")).ok().filter(|pid| pid.ends_with('\n'));
        let begun = Instant::now();
        let pid = loop {
            match written() {
                Some(pid) => break pid,
                None => assert!(begun.elapsed() < Duration::from_secs(60), "it never began"),
            }
        };
        owner.kill().expect("it is ours");
        owner.wait().expect("it was there");
        assert!(gone(pid.trim()), "process {pid} is still there");
    }

    /// Whether a process is gone soon; one that ended and was not waited for counts.
    fn gone(pid: &str) -> bool {
        let begun = Instant::now();
        let state = || {
            let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().expect("`ps` is there");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        while begun.elapsed() < Duration::from_secs(20) {
            if state().is_empty() || state().starts_with('Z') {
                return true;
            }
        }
        false
    }
}
