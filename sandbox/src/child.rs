//! Compilers as child processes: with limits, ended as a group, nothing left behind.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// Processor time of a compiler: what takes longer than this is a program made to keep it busy.
pub(crate) const CPU_SECONDS: u64 = 30;

/// Address space of a compiler. clang asks for one or two GiB; templates that eat memory ask for all there is.
const ADDRESS_SPACE: u64 = 8 << 30;

/// When the host gives up. Only a host that is much too busy gets here: the limit that counts is processor time.
const WALL: Duration = Duration::from_secs(600);

/// How often a child is looked at. Compiling takes a second, so this is not felt.
const PAUSE: Duration = Duration::from_millis(5);

/// How a child ended.
pub(crate) enum Ended {
    /// By itself, or by a limit; with what it wrote to standard error.
    Exit(ExitStatus, String),
    /// We ended it: cancelled, or the wall guard passed.
    Aborted,
}

/// Runs a command to its end. `log` is a file for its standard error; `cpu_seconds` is what each process of it may use.
pub(crate) fn run(command: &mut Command, log: &Path, cpu_seconds: u64, cancel: &Cancel) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    end_with_us(command);
    let mut group = Group(command.spawn()?);
    group.limit(cpu_seconds);
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

/// Has a child end when this thread does, which waits for it: even a process that is killed leaves no compiler behind.
#[cfg(target_os = "linux")]
fn end_with_us(command: &mut Command) {
    use rustix::process::{Signal, set_parent_process_death_signal};
    let ends = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    #[expect(unsafe_code, reason = "limits of a child process")]
    // SAFETY: between fork and exec it makes one system call and touches no memory of ours.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(command, ends);
    }
}

/// What a compiler that refused says.
pub(crate) fn words(status: ExitStatus, said: &str) -> String {
    match said.trim() {
        "" => format!("the compiler ended with {status}: the program takes too long or too much to compile"),
        said => said.to_owned(),
    }
}

/// A child and all that it started; they end with this value.
struct Group(Child);

impl Group {
    /// Sets the limits, which everything that the child starts inherits. Where the system has none, the wall guards.
    fn limit(&self, cpu_seconds: u64) {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Pid, Resource, Rlimit, prlimit};
            let pid = Pid::from_child(&self.0);
            for (what, most) in [(Resource::Cpu, cpu_seconds), (Resource::As, ADDRESS_SPACE)] {
                // A child that is gone already needs no limit.
                let _ = prlimit(Some(pid), what, Rlimit { current: Some(most), maximum: Some(most) });
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            // Most often all of the group is gone by now.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
