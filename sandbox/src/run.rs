//! One program, one input, one fresh instance: an [`Execution`].

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::{Instance, InstancePre, Ref, Store, Val};

use crate::cancel::Cancel;
use crate::engine::Host;
use crate::fault::End;
use crate::guard::Guard;
use crate::guest::{Guest, Start};
use crate::limits::{FUEL_PER_SECOND, Fuel, Limits};
use crate::report::Provenance;
use crate::source::Files;

/// Fuel between two looks at whether a run has to end: about ten milliseconds of a guest's work. A guest gives way by
/// its fuel alone; watching a clock beside it in every function and loop would cost another tenth of its speed.
pub(crate) const LOOK_AFTER: Fuel = FUEL_PER_SECOND / 100;

/// A program that can be run: compiled, linked, and with what its runs begin with.
#[derive(Clone)]
pub struct Program(pub(crate) Arc<Runnable>);

impl Program {
    /// What the program's runs depend on, under these limits.
    pub fn provenance(&self, limits: &Limits) -> Provenance {
        Provenance { limits: *limits, ..self.0.provenance.clone() }
    }
}

/// What a toolchain makes of a source.
pub(crate) struct Runnable {
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) entry: Entry,
    pub(crate) start: Start,
    /// Memory the module has before it runs.
    pub(crate) initial_memory: u64,
    /// Memory that does not count against the limit: stacks that our toolchain gave the program.
    pub(crate) extra_memory: u64,
    /// Whether instantiating runs code of the module.
    pub(crate) has_start: bool,
    pub(crate) provenance: Provenance,
}

/// Where a run enters its instance.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// The export `_start`.
    Start,
    /// An interpreter that is called with arguments, each with a zero at its end, after `_initialize`.
    Interpreter { export: &'static str, args: Vec<String> },
    /// A function of the table, entered in an image that a snapshot froze: slot, and its arguments.
    Frozen { slot: u64, args: [i32; 3] },
}

/// What was seen of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// How it ended.
    pub end: End,
    /// What it wrote, up to the limit.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, cut at [`crate::STDERR_BYTES`].
    pub stderr: Vec<u8>,
    /// Fuel used. After [`End::Aborted`] it means nothing.
    pub fuel: Fuel,
    /// The most linear memory it had, in bytes, without our toolchains' stacks.
    pub memory_peak: u64,
    /// The files it wrote: only output validators may.
    pub written: Files,
}

/// Runs a program once, on this thread, and on a stack of its own that is deep enough for any guest.
pub(crate) fn run(
    host: &Host,
    program: &Runnable,
    start: &Start,
    stdin: Arc<[u8]>,
    limits: &Limits,
    cancel: &Cancel,
) -> Execution {
    let _pass = host.enter();
    let patience = Patience { guard: Guard::new(limits.wall), cancel: cancel.clone() };
    let guest = Guest::new(start, stdin, limits, program.extra_memory, patience.clone());
    let refused = !guest.memory.allows(program.initial_memory);
    let mut store = Store::new(&host.engine, guest);
    let end = if refused { End::OutOfMemory } else { enter(&mut store, program, limits, &patience) };
    // A store that fuel cannot be read from has none: the engine counts it always.
    let left = store.get_fuel().unwrap_or(0);
    let guest = store.into_data();
    Execution {
        fuel: if end == End::OutOfFuel { limits.fuel } else { limits.fuel.saturating_sub(left) },
        end,
        memory_peak: guest.memory.peak(),
        written: guest.files.written(),
        stdout: guest.stdout,
        stderr: guest.stderr,
    }
}

fn enter(store: &mut Store<Guest>, program: &Runnable, limits: &Limits, patience: &Patience) -> End {
    store.limiter(|guest| &mut guest.memory);
    match patience.wait_for(call(store, program, limits)) {
        None => End::Aborted,
        Some(Ok(())) => End::Exit(0),
        Some(Err(error)) => End::of(&error),
    }
}

/// How long a run may go on, whatever its fuel.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) guard: Guard,
    pub(crate) cancel: Cancel,
}

impl Patience {
    /// Whether it is at its end.
    pub(crate) fn over(&self) -> bool {
        self.cancel.is_cancelled() || self.guard.passed()
    }

    /// What a guest's future comes to, unless patience ends first. The guest gives way each time it has used
    /// [`LOOK_AFTER`] without calling us; a call looks by itself.
    fn wait_for<T>(&self, guest: impl Future<Output = T>) -> Option<T> {
        let mut guest = pin!(guest);
        let mut context = Context::from_waker(Waker::noop());
        while !self.over() {
            if let Poll::Ready(ended) = guest.as_mut().poll(&mut context) {
                return Some(ended);
            }
        }
        None
    }
}

async fn call(store: &mut Store<Guest>, program: &Runnable, limits: &Limits) -> wasmtime::Result<()> {
    store.fuel_async_yield_interval(Some(LOOK_AFTER))?;
    store.set_fuel(limits.fuel)?;
    let instance = program.pre.instantiate_async(&mut *store).await?;
    if !program.has_start {
        // How an instance is made differs between hosts; what its own code costs does not.
        store.set_fuel(limits.fuel)?;
    }
    match &program.entry {
        Entry::Start => instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call_async(store, ()).await,
        Entry::Interpreter { export, args } => {
            instance.get_typed_func::<(), ()>(&mut *store, "_initialize")?.call_async(&mut *store, ()).await?;
            let (count, list) = put_args(store, &instance, args).await?;
            let interpreter = instance.get_typed_func::<(i32, i32), i32>(&mut *store, export)?;
            match interpreter.call_async(store, (count, list)).await? {
                0 => Ok(()),
                _ => Err(End::Exit(1).into()),
            }
        }
        Entry::Frozen { slot, args } => {
            let table = instance.get_table(&mut *store, crate::snapshot::TABLE).ok_or_else(|| broken("no table"))?;
            let Some(Ref::Func(Some(function))) = table.get(&mut *store, *slot) else {
                return Err(broken("no function in its slot"));
            };
            let args = args.map(Val::I32);
            function.call_async(&mut *store, &args, &mut [Val::I32(0)]).await?;
            Err(broken("the interpreter came back"))
        }
    }
}

/// Puts arguments into memory that the guest's own allocator gives: their number, and where their addresses are.
async fn put_args(store: &mut Store<Guest>, instance: &Instance, args: &[String]) -> wasmtime::Result<(i32, i32)> {
    let memory = instance.get_memory(&mut *store, "memory").ok_or_else(|| broken("no memory"))?;
    let allocate = instance.get_typed_func::<i32, i32>(&mut *store, "malloc")?;
    let text: Vec<u8> = args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
    let table = args.len() * 4;
    // A handful of short arguments: neither sum comes near 32 bits.
    let list = allocate.call_async(&mut *store, (table + text.len()) as i32).await?;
    let mut at = list as u32 + table as u32;
    let mut bytes = Vec::with_capacity(table + text.len());
    for arg in args {
        bytes.extend(at.to_le_bytes());
        at += arg.len() as u32 + 1;
    }
    bytes.extend(text);
    memory.write(store, list as u32 as usize, &bytes)?;
    Ok((args.len() as i32, list))
}

/// The image is made and checked at set-up, so this is a bug of ours; it must not pass for the program's fault unseen.
fn broken(what: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("internal error: interpreter: {what}"))
}
