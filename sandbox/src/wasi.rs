//! WASI preview 1 in memory: standard input, output and error, files, seeded chance, a clock that runs on fuel. Files are
//! read-only, but for a folder in memory that output validators are given for their feedback.
//!
//! What does not exist here cannot leak: there is no way to a file, a socket, a clock or a random source of the host.
//! Calls that make no sense in such a world answer "not supported"; writing to a file answers "read-only".

use std::sync::Arc;

use wasmtime::{Caller, Extern, Linker};

use crate::fault::End;
use crate::files::{Content, Entry};
use crate::guest::{Descriptor, Guest};
use crate::limits::Fuel;

mod abi;
use abi::Memory;
pub(crate) use abi::{Errno, Kind};

/// The module name that every import has.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// Why a call did not do what was asked.
pub(crate) enum Stop {
    /// The guest is told.
    Errno(Errno),
    /// The run is over.
    End(End),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

type Answer = Result<(), Stop>;

/// Fuel of a call, whatever it does: what the way to the host and back takes, so that a guest which does nothing but call
/// runs out of fuel and not of the host's patience.
const CALL: Fuel = 1000;

/// One call: finds the guest's memory, turns the answer into what wasm sees, and charges [`CALL`] and a unit of fuel for
/// each byte that was handled: a call for 60 MB of chance must cost what it takes.
fn call(
    caller: &mut Caller<'_, Guest>,
    body: impl FnOnce(&mut Memory<'_>, &mut Guest) -> Answer,
) -> wasmtime::Result<i32> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(End::Trap("the module exports no `memory`, which WASI needs".into()).into());
    };
    let (bytes, guest) = memory.data_and_store_mut(&mut *caller);
    let mut memory = Memory::new(bytes);
    let answer = body(&mut memory, guest);
    let handled = memory.handled();
    charge(caller, handled)?;
    match answer {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(errno as i32),
        Err(Stop::End(ended)) => Err(ended.into()),
    }
}

fn charge(caller: &mut Caller<'_, Guest>, handled: Fuel) -> wasmtime::Result<()> {
    let left = caller.get_fuel()?.checked_sub(CALL + handled).ok_or(End::OutOfFuel)?;
    caller.set_fuel(left)?;
    Ok(caller.data_mut().look(left)?)
}

/// Defines all of preview 1.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_process(linker)?;
    link_descriptors(linker)?;
    link_paths(linker)?;
    link_refused(linker)
}

/// Arguments, environment, chance, time, the end.
fn link_process(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "args_sizes_get", |mut c: Caller<'_, Guest>, count: u32, size: u32| {
        call(&mut c, |m, g| Ok(m.put_sizes(count, size, &g.args)?))
    })?;
    linker.func_wrap(MODULE, "args_get", |mut c: Caller<'_, Guest>, list: u32, text: u32| {
        call(&mut c, |m, g| Ok(m.put_strings(list, text, &g.args)?))
    })?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut c: Caller<'_, Guest>, count: u32, size: u32| {
        call(&mut c, |m, g| Ok(m.put_sizes(count, size, &g.environment)?))
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut c: Caller<'_, Guest>, list: u32, text: u32| {
        call(&mut c, |m, g| Ok(m.put_strings(list, text, &g.environment)?))
    })?;
    linker.func_wrap(MODULE, "random_get", |mut c: Caller<'_, Guest>, at: u32, len: u32| {
        call(&mut c, |m, g| {
            g.chance.fill(m.slice_mut(at, len)?);
            Ok(())
        })
    })?;
    linker.func_wrap(MODULE, "clock_res_get", |mut c: Caller<'_, Guest>, _clock: u32, at: u32| {
        call(&mut c, |m, _| Ok(m.put_u64(at, 1)?))
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut c: Caller<'_, Guest>, clock: u32, _precision: u64, at: u32| {
        let fuel = c.get_fuel()?;
        call(&mut c, |m, g| Ok(m.put_u64(at, g.clock.now(clock, fuel))?))
    })?;
    linker.func_wrap(
        MODULE,
        "poll_oneoff",
        |mut c: Caller<'_, Guest>, subs: u32, events: u32, n: u32, count: u32| {
            let fuel = c.get_fuel()?;
            call(&mut c, |m, g| poll(m, g, fuel, subs, events, n, count))
        },
    )?;
    linker.func_wrap(MODULE, "sched_yield", |mut c: Caller<'_, Guest>| refuse(&mut c, 0))?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(End::Exit(code).into()) })?;
    linker.func_wrap(MODULE, "proc_raise", |signal: i32| -> wasmtime::Result<i32> {
        Err(End::Trap(format!("the program raised signal {signal}")).into())
    })?;
    Ok(())
}

/// Waiting: time passes at once, and standard input is always there.
fn poll(m: &mut Memory<'_>, g: &mut Guest, fuel: u64, subs: u32, events: u32, n: u32, count: u32) -> Answer {
    const SUBSCRIPTION: u32 = 48;
    const EVENT: u32 = 32;
    const ABSOLUTE: u16 = 1;
    const READABLE_OR_WRITABLE: u8 = 2;
    if n == 0 {
        return Err(Errno::Inval.into());
    }
    let at = |base: u32, i: u32, size: u32| i.checked_mul(size).and_then(|o| base.checked_add(o)).ok_or(Errno::Fault);
    m.slice(subs, n.checked_mul(SUBSCRIPTION).ok_or(Errno::Inval)?)?;
    let (mut descriptors, mut soonest) = (Vec::new(), None::<(u64, u64)>);
    for i in 0..n {
        let sub = at(subs, i, SUBSCRIPTION)?;
        let (userdata, tag) = (m.u64(sub)?, m.u8(sub + 8)?);
        if tag == 0 {
            let (clock, timeout, flags) = (m.u32(sub + 16)?, m.u64(sub + 24)?, m.u16(sub + 40)?);
            let wait = if flags & ABSOLUTE == 0 { timeout } else { timeout.saturating_sub(g.clock.now(clock, fuel)) };
            if soonest.is_none_or(|(least, _)| wait < least) {
                soonest = Some((wait, userdata));
            }
        } else if tag <= READABLE_OR_WRITABLE {
            descriptors.push((userdata, tag));
        } else {
            return Err(Errno::Inval.into());
        }
    }
    if descriptors.is_empty()
        && let Some((wait, userdata)) = soonest
    {
        g.clock.sleep(wait);
        descriptors.push((userdata, 0));
    }
    for (i, (userdata, tag)) in (0..n).zip(&descriptors) {
        let event = at(events, i, EVENT)?;
        m.slice_mut(event, EVENT)?.fill(0);
        m.put_u64(event, *userdata)?;
        m.put_u8(event + 10, *tag)?;
        if *tag != 0 {
            m.put_u64(event + 16, 1)?;
        }
    }
    Ok(m.put_u32(count, descriptors.len() as u32)?)
}

/// Calls on open descriptors.
fn link_descriptors(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_write", |mut c: Caller<'_, Guest>, fd: u32, iovs: u32, n: u32, done: u32| {
        call(&mut c, |m, g| {
            g.descriptor(fd)?;
            let mut total = 0;
            for (at, len) in m.vectors(iovs, n)? {
                g.write(fd, m.slice(at, len)?)?;
                total += len;
            }
            Ok(m.put_u32(done, total)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_read", |mut c: Caller<'_, Guest>, fd: u32, iovs: u32, n: u32, done: u32| {
        call(&mut c, |m, g| {
            g.descriptor(fd)?;
            let mut total = 0;
            for (at, len) in m.vectors(iovs, n)? {
                let read = g.read(fd, m.slice_mut(at, len)?)?;
                total += read;
                // A short read ends the call: what comes next may lie beyond the border between program and input.
                if read < len {
                    break;
                }
            }
            Ok(m.put_u32(done, total)?)
        })
    })?;
    linker.func_wrap(
        MODULE,
        "fd_pread",
        |mut c: Caller<'_, Guest>, fd: u32, iovs: u32, n: u32, offset: u64, done: u32| {
            call(&mut c, |m, g| {
                let content = g.content(fd)?.clone();
                let mut total = 0;
                for (at, len) in m.vectors(iovs, n)? {
                    let into = m.slice_mut(at, len)?;
                    let read = content.read_at(offset.saturating_add(total), into).map_err(|_| Errno::Io)?;
                    total += read as u64;
                    if read < into.len() {
                        break;
                    }
                }
                Ok(m.put_u32(done, total as u32)?)
            })
        },
    )?;
    linker.func_wrap(MODULE, "fd_seek", |mut c: Caller<'_, Guest>, fd: u32, offset: i64, whence: u32, at: u32| {
        call(&mut c, |m, g| {
            let position = g.seek(fd, offset, whence)?;
            Ok(m.put_u64(at, position)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_tell", |mut c: Caller<'_, Guest>, fd: u32, at: u32| {
        call(&mut c, |m, g| {
            let position = g.seek(fd, 0, 1)?;
            Ok(m.put_u64(at, position)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_close", |mut c: Caller<'_, Guest>, fd: u32| call(&mut c, |_, g| Ok(g.close(fd)?)))?;
    linker.func_wrap(MODULE, "fd_renumber", |mut c: Caller<'_, Guest>, from: u32, to: u32| {
        call(&mut c, |_, g| Ok(g.renumber(from, to)?))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut c: Caller<'_, Guest>, fd: u32, at: u32| {
        call(&mut c, |m, g| {
            let kind = g.descriptor(fd)?.kind();
            m.slice_mut(at, 24)?.fill(0);
            m.put_u8(at, kind as u8)?;
            // All rights: a descriptor that may seek is no terminal, so standard output is buffered in blocks.
            m.put_u64(at + 8, u64::MAX)?;
            Ok(m.put_u64(at + 16, u64::MAX)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |mut c: Caller<'_, Guest>, fd: u32, at: u32| {
        call(&mut c, |m, g| {
            let descriptor = g.descriptor(fd)?;
            Ok(m.put_filestat(at, descriptor.kind(), descriptor.len(), u64::from(fd))?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_prestat_get", |mut c: Caller<'_, Guest>, fd: u32, at: u32| {
        call(&mut c, |m, g| {
            g.preopened(fd)?;
            m.put_u32(at, 0)?;
            Ok(m.put_u32(at + 4, 1)?)
        })
    })?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |mut c: Caller<'_, Guest>, fd: u32, at: u32, len: u32| {
        call(&mut c, |m, g| {
            g.preopened(fd)?;
            if len < 1 {
                return Err(Errno::NameTooLong.into());
            }
            Ok(m.put_u8(at, b'/')?)
        })
    })?;
    linker.func_wrap(
        MODULE,
        "fd_readdir",
        |mut c: Caller<'_, Guest>, fd: u32, at: u32, len: u32, cookie: u64, used: u32| {
            call(&mut c, |m, g| {
                let Descriptor::Folder(path) = g.descriptor(fd)? else { return Err(Errno::NotDir.into()) };
                let listing = abi::directory(&g.files.list(path), cookie);
                let n = listing.len().min(len as usize);
                m.slice_mut(at, n as u32)?.copy_from_slice(&listing[..n]);
                Ok(m.put_u32(used, n as u32)?)
            })
        },
    )?;
    for name in ["fd_sync", "fd_datasync"] {
        linker.func_wrap(MODULE, name, |mut c: Caller<'_, Guest>, fd: u32| {
            call(&mut c, |_, g| g.descriptor(fd).map(drop).map_err(Stop::from))
        })?;
    }
    linker.func_wrap(MODULE, "fd_advise", |mut c: Caller<'_, Guest>, fd: u32, _at: u64, _len: u64, _advice: u32| {
        call(&mut c, |_, g| g.descriptor(fd).map(drop).map_err(Stop::from))
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |mut c: Caller<'_, Guest>, fd: u32, _flags: u32| {
        call(&mut c, |_, g| g.descriptor(fd).map(drop).map_err(Stop::from))
    })?;
    Ok(())
}

/// Calls on paths.
fn link_paths(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "path_open",
        |mut c: Caller<'_, Guest>,
         fd: u32,
         _lookup: u32,
         path: u32,
         len: u32,
         how: u32,
         rights: u64,
         _inherited: u64,
         flags: u32,
         opened: u32| {
            call(&mut c, |m, g| {
                const CREATE: u32 = 1;
                const DIRECTORY: u32 = 2;
                const EXCLUSIVE: u32 = 4;
                const TRUNCATE: u32 = 8;
                const WRITE: u64 = 1 << 6;
                const READ: u64 = 1 << 1;
                const APPEND: u32 = 1;
                let path = g.path(fd, m.text(path, len)?)?;
                let found = g.files.get(&path);
                let makes = how & if found.is_some() { TRUNCATE } else { CREATE } != 0;
                let file = |content| Descriptor::File { content, at: 0, append: flags & APPEND != 0 };
                let descriptor = match found {
                    Some(_) if how & (CREATE | EXCLUSIVE) == CREATE | EXCLUSIVE => return Err(Errno::Exist.into()),
                    Some(Entry::File(_)) if how & DIRECTORY != 0 => return Err(Errno::NotDir.into()),
                    _ if makes => file(Arc::make_mut(&mut g.files).create(&path).ok_or(Errno::Rofs)?),
                    None => return Err(Errno::NoEnt.into()),
                    Some(Entry::File(content @ Content::Written(_))) => file(content),
                    Some(Entry::File(_)) if how & CREATE != 0 || rights & (WRITE | READ) == WRITE => {
                        return Err(Errno::Rofs.into());
                    }
                    Some(Entry::File(content)) => file(content),
                    Some(Entry::Folder) => Descriptor::Folder(path),
                };
                let fd = g.open(descriptor)?;
                Ok(m.put_u32(opened, fd)?)
            })
        },
    )?;
    linker.func_wrap(
        MODULE,
        "path_filestat_get",
        |mut c: Caller<'_, Guest>, fd: u32, _lookup: u32, path: u32, len: u32, at: u32| {
            call(&mut c, |m, g| {
                let path = g.path(fd, m.text(path, len)?)?;
                let (kind, size) = match g.files.get(&path).ok_or(Errno::NoEnt)? {
                    Entry::Folder => (Kind::Folder, 0),
                    Entry::File(content) => (Kind::File, content.len()),
                };
                Ok(m.put_filestat(at, kind, size, abi::inode(&path))?)
            })
        },
    )?;
    // There are no links: whatever is at the path, it is not one.
    linker.func_wrap(
        MODULE,
        "path_readlink",
        |mut c: Caller<'_, Guest>, fd: u32, path: u32, len: u32, _into: u32, _size: u32, _used: u32| {
            call(&mut c, |m, g| {
                let path = g.path(fd, m.text(path, len)?)?;
                Err(if g.files.get(&path).is_some() { Errno::Inval } else { Errno::NoEnt }.into())
            })
        },
    )?;
    Ok(())
}

/// Calls that nothing here can grant: changes of files answer "read-only", sockets "not supported".
fn link_refused(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    const ROFS: i32 = Errno::Rofs as i32;
    const NOTSUP: i32 = Errno::NotSup as i32;
    /// Each call's name, the types of its arguments, and its answer.
    macro_rules! answer {
        ($($name:literal ($($kind:ty),*) $answer:expr)*) => {
            $(linker.func_wrap(MODULE, $name, |mut c: Caller<'_, Guest>, $(_: $kind),*| refuse(&mut c, $answer))?;)*
        };
    }
    answer! {
        "fd_allocate" (u32, u64, u64) ROFS
        "fd_filestat_set_size" (u32, u64) ROFS
        "fd_filestat_set_times" (u32, u64, u64, u32) ROFS
        "fd_fdstat_set_rights" (u32, u64, u64) 0
        "fd_pwrite" (u32, u32, u32, u64, u32) ROFS
        "path_create_directory" (u32, u32, u32) ROFS
        "path_filestat_set_times" (u32, u32, u32, u32, u64, u64, u32) ROFS
        "path_link" (u32, u32, u32, u32, u32, u32, u32) ROFS
        "path_remove_directory" (u32, u32, u32) ROFS
        "path_rename" (u32, u32, u32, u32, u32, u32) ROFS
        "path_symlink" (u32, u32, u32, u32, u32) ROFS
        "path_unlink_file" (u32, u32, u32) ROFS
        "sock_accept" (u32, u32, u32) NOTSUP
        "sock_recv" (u32, u32, u32, u32, u32, u32) NOTSUP
        "sock_send" (u32, u32, u32, u32, u32) NOTSUP
        "sock_shutdown" (u32, u32) NOTSUP
    }
    Ok(())
}

/// The answer of a call that does nothing.
fn refuse(caller: &mut Caller<'_, Guest>, answer: i32) -> wasmtime::Result<i32> {
    charge(caller, 0)?;
    Ok(answer)
}
