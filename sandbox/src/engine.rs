//! The one wasmtime `Engine`, its configuration, and who may run in it when.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use wasmtime::{
    Collector, Config, Enabled, Engine, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig,
    RegallocAlgorithm,
};

use crate::cache::engine_key;
use crate::error::Error;
use crate::guest::{Guest, MAX_TABLE};
use crate::wasi;

/// The wasm stack that a guest may use: deep recursion is ordinary in contest programs.
const WASM_STACK: usize = 256 << 20;

/// The stack of its own that a guest runs on. The rest is for the host's functions, which a guest may call at its end.
const GUEST_STACK: usize = WASM_STACK + (16 << 20);

/// What of that stack is cleaned by hand and kept; few programs need more.
const KEEP_STACK: usize = 128 << 10;

/// Memory of a slot that is cleaned by hand and kept: an interpreter touches about this much, and page faults are what
/// a fresh instance costs.
const KEEP_RESIDENT: usize = 64 << 20;

/// wasmtime with our settings, WASI linked, and the door that guests pass one by one.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<Guest>>,
    gate: Arc<Gate>,
}

impl Host {
    pub(crate) fn new() -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(4, usize::from);
        // As many guests as cores, and one: one may wait for the disk. A slot is cleaned after its guest is gone, so
        // there are more slots than guests.
        let guests = cores + 1;
        let engine = Engine::new(&config(u32::try_from(guests).unwrap_or(64)))
            .map_err(|error| Error::Host(format!("{error:#}")))?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(|error| Error::Host(format!("{error:#}")))?;
        let gate = Arc::new(Gate { inside: Mutex::default(), left: Condvar::new(), guests });
        Ok(Self { engine, linker: Arc::new(linker), gate })
    }

    /// What machine code for this host depends on.
    pub(crate) fn key(&self) -> String {
        engine_key(&self.engine)
    }

    /// Waits until a guest may run; it may while the pass is held.
    pub(crate) fn enter(&self) -> Pass<'_> {
        let mut inside = self.gate.lock();
        while *inside >= self.gate.guests {
            inside = self.gate.left.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        *inside += 1;
        Pass(&self.gate)
    }
}

/// An engine for what runs once and is thrown away: it compiles fast and runs slowly. What a guest computes is the same.
pub(crate) fn throwaway_engine() -> wasmtime::Result<Engine> {
    let mut config = shared_config();
    config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn config(guests: u32) -> Config {
    let slots = guests * 2 + 8;
    let mut config = shared_config();
    config.cranelift_opt_level(OptLevel::Speed);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots * 4)
        .total_gc_heaps(slots)
        .total_stacks(slots)
        .async_stack_keep_resident(KEEP_STACK)
        // A slot that ran something keeps memory: as many as run at once are enough, whatever they ran.
        .max_unused_warm_slots(guests)
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(MAX_TABLE)
        .max_core_instance_size(8 << 20)
        .max_memory_size(1 << 32)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// What both engines share, and with it all that a guest could notice.
fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        // Bits of a NaN depend on the processor otherwise, and a printed one shows its sign.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_exceptions(true)
        .collector(Collector::Null)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .memory_init_cow(true)
        // A snapshot is mostly image: without this, modules with gaps in their data are copied page by page.
        .memory_guaranteed_dense_image_size(1 << 30)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(GUEST_STACK)
        .async_stack_zeroing(true)
        // Nobody reads addresses of wasm code, and the maps make modules a third larger.
        .generate_address_map(false)
        .wasm_backtrace_max_frames(None);
    config
}

/// Counts the guests that run, so that slots do not run out.
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
    guests: usize,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, usize> {
        // The number is right whatever happened to who held it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to run one guest.
pub(crate) struct Pass<'a>(&'a Gate);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.left.notify_one();
    }
}
