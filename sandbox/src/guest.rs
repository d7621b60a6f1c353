//! What one running guest has: its descriptors, its clock, its chance, its limits. One of these for each run.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::fault::End;
use crate::files::{Content, FileTree, resolve};
use crate::limits::{FUEL_PER_SECOND, Fuel, Limits, STDERR_BYTES};
use crate::run::{LOOK_AFTER, Patience};
use crate::wasi::{Errno, Kind, Stop};

/// Fuel in a nanosecond of the guest's clock.
const FUEL_PER_NS: Fuel = FUEL_PER_SECOND / 1_000_000_000;

/// More open files than this are refused.
const MAX_DESCRIPTORS: usize = 1024;

/// Table elements that a guest may have: C++ programs have some thousands, CPython 14,000.
pub(crate) const MAX_TABLE: usize = 1 << 16;

/// What a run begins with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// Arguments, the program's name first.
    pub(crate) args: Arc<[String]>,
    /// `NAME=value`.
    pub(crate) environment: Arc<[String]>,
    /// The files there are.
    pub(crate) files: Arc<FileTree>,
    /// Bytes that standard input gives before the input proper; no read crosses the border.
    pub(crate) lead: Arc<[u8]>,
}

/// The state of a guest, as the store's data.
pub(crate) struct Guest {
    pub(crate) args: Arc<[String]>,
    pub(crate) environment: Arc<[String]>,
    pub(crate) files: Arc<FileTree>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) memory: MemoryLimit,
    patience: Patience,
    /// Fuel that was left when it was last looked whether the run has to end.
    looked_at: Fuel,
    output_limit: u64,
    descriptors: Vec<Option<Descriptor>>,
}

/// What a descriptor stands for.
pub(crate) enum Descriptor {
    Stdin { lead: Arc<[u8]>, lead_at: usize, content: Content, at: u64 },
    Stdout,
    Stderr,
    Folder(String),
    File { content: Content, at: u64, append: bool },
}

impl Descriptor {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            // A regular file: programs ask for its size and read it whole.
            Self::Stdin { .. } | Self::File { .. } => Kind::File,
            Self::Stdout | Self::Stderr => Kind::Stream,
            Self::Folder(_) => Kind::Folder,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Stdin { content, .. } | Self::File { content, .. } => content.len(),
            Self::Stdout | Self::Stderr | Self::Folder(_) => 0,
        }
    }
}

impl Guest {
    /// A guest that has not run. `extra_memory` is what a toolchain's own stacks take beside the limit.
    pub(crate) fn new(start: &Start, stdin: Arc<[u8]>, limits: &Limits, extra_memory: u64, patience: Patience) -> Self {
        Self {
            args: start.args.clone(),
            environment: start.environment.clone(),
            files: start.files.clone(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            clock: Clock { begun_with: limits.fuel, slept_ns: 0 },
            chance: Chance(0),
            memory: MemoryLimit { most: limits.memory.saturating_add(extra_memory), extra: extra_memory, peak: 0 },
            patience,
            looked_at: limits.fuel,
            output_limit: limits.output,
            descriptors: vec![
                Some(Descriptor::Stdin { lead: start.lead.clone(), lead_at: 0, content: Content::Bytes(stdin), at: 0 }),
                Some(Descriptor::Stdout),
                Some(Descriptor::Stderr),
                Some(Descriptor::Folder(String::new())),
            ],
        }
    }

    /// Looks whether the run has to end, if it is time to: setting fuel, as every call does, has the engine begin anew to
    /// count until the guest gives way.
    pub(crate) fn look(&mut self, left: Fuel) -> Result<(), End> {
        if self.looked_at.saturating_sub(left) < LOOK_AFTER {
            return Ok(());
        }
        self.looked_at = left;
        if self.patience.over() { Err(End::Aborted) } else { Ok(()) }
    }

    pub(crate) fn descriptor(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.descriptors.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)
    }

    /// Holds for the one folder that is open from the start.
    pub(crate) fn preopened(&self, fd: u32) -> Result<(), Errno> {
        match (fd, self.descriptor(fd)?) {
            (3, Descriptor::Folder(_)) => Ok(()),
            _ => Err(Errno::BadF),
        }
    }

    /// The resolved path of `path` in the folder that is open as `fd`.
    pub(crate) fn path(&self, fd: u32, path: &str) -> Result<String, Errno> {
        match self.descriptor(fd)? {
            Descriptor::Folder(folder) => resolve(folder, path).ok_or(Errno::Perm),
            Descriptor::Stdin { .. } | Descriptor::Stdout | Descriptor::Stderr | Descriptor::File { .. } => {
                Err(Errno::NotDir)
            }
        }
    }

    pub(crate) fn open(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.descriptors.iter().position(Option::is_none).unwrap_or(self.descriptors.len());
        if free >= MAX_DESCRIPTORS {
            return Err(Errno::NFile);
        }
        if free == self.descriptors.len() {
            self.descriptors.push(None);
        }
        self.descriptors[free] = Some(descriptor);
        Ok(free as u32)
    }

    pub(crate) fn close(&mut self, fd: u32) -> Result<(), Errno> {
        self.descriptor(fd)?;
        self.descriptors[fd as usize] = None;
        Ok(())
    }

    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.descriptor(from)?;
        self.descriptor(to)?;
        self.descriptors[to as usize] = self.descriptors[from as usize].take();
        Ok(())
    }

    pub(crate) fn content(&self, fd: u32) -> Result<&Content, Errno> {
        match self.descriptor(fd)? {
            Descriptor::Stdin { content, .. } | Descriptor::File { content, .. } => Ok(content),
            Descriptor::Folder(_) => Err(Errno::IsDir),
            Descriptor::Stdout | Descriptor::Stderr => Err(Errno::SPipe),
        }
    }

    /// Reads on; 0 bytes at the end.
    pub(crate) fn read(&mut self, fd: u32, into: &mut [u8]) -> Result<u32, Errno> {
        let read = match self.descriptors.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)? {
            Descriptor::Stdin { lead, lead_at, .. } if *lead_at < lead.len() => {
                let n = into.len().min(lead.len() - *lead_at);
                into[..n].copy_from_slice(&lead[*lead_at..*lead_at + n]);
                *lead_at += n;
                n
            }
            Descriptor::Stdin { content, at, .. } | Descriptor::File { content, at, .. } => {
                let n = content.read_at(*at, into).map_err(|_| Errno::Io)?;
                *at += n as u64;
                n
            }
            Descriptor::Folder(_) => return Err(Errno::IsDir),
            Descriptor::Stdout | Descriptor::Stderr => return Err(Errno::BadF),
        };
        Ok(read as u32)
    }

    /// Moves where reading goes on: `whence` 0 from the start, 1 from here, 2 from the end.
    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<u64, Errno> {
        match self.descriptors.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)? {
            Descriptor::Stdin { content, at, .. } | Descriptor::File { content, at, .. } => {
                let base = match whence {
                    0 => 0,
                    1 => *at,
                    2 => content.len(),
                    _ => return Err(Errno::Inval),
                };
                *at = base.checked_add_signed(offset).ok_or(Errno::Inval)?;
                Ok(*at)
            }
            Descriptor::Folder(_) => Err(Errno::BadF),
            Descriptor::Stdout | Descriptor::Stderr => Err(Errno::SPipe),
        }
    }

    /// Writes to standard output or error, or to a file that may be written.
    pub(crate) fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<(), Stop> {
        match self.descriptors.get_mut(fd as usize).and_then(Option::as_mut) {
            Some(Descriptor::Stdout) => {
                let room = self.output_limit.saturating_sub(self.stdout.len() as u64);
                let n = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                self.stdout.extend_from_slice(&bytes[..n]);
                if n < bytes.len() { Err(Stop::End(End::OutputLimit)) } else { Ok(()) }
            }
            Some(Descriptor::Stderr) => {
                let room = STDERR_BYTES - self.stderr.len();
                self.stderr.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
            Some(Descriptor::File { content: content @ Content::Written(_), at, append }) => {
                let from = if *append { content.len() } else { *at };
                *at = content.write_at(from, bytes).ok_or(Errno::FBig)?;
                Ok(())
            }
            // What is there, was opened to read.
            Some(Descriptor::File { .. } | Descriptor::Stdin { .. } | Descriptor::Folder(_)) | None => {
                Err(Errno::BadF.into())
            }
        }
    }
}

/// Time as the guest sees it: the fuel it used and what it slept. Every run of a program sees the same.
pub(crate) struct Clock {
    begun_with: Fuel,
    slept_ns: u64,
}

impl Clock {
    /// When a guest's calendar begins: 2020-01-01 in UTC. Any date would do, but before 1980 zip files refuse.
    const EPOCH_NS: u64 = 1_577_836_800_000_000_000;

    /// Nanoseconds on a clock; clock 0 is the calendar, the others count from the start.
    pub(crate) fn now(&self, clock: u32, fuel_left: Fuel) -> u64 {
        let ran = self.begun_with.saturating_sub(fuel_left) / FUEL_PER_NS;
        let since = ran.saturating_add(self.slept_ns);
        if clock == 0 { since.saturating_add(Self::EPOCH_NS) } else { since }
    }

    pub(crate) fn sleep(&mut self, ns: u64) {
        self.slept_ns = self.slept_ns.saturating_add(ns);
    }
}

/// The seeded source of chance (SplitMix64): every run of a program draws the same.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn fill(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Refuses memory beyond the limit and remembers the most there was.
pub(crate) struct MemoryLimit {
    most: u64,
    extra: u64,
    peak: u64,
}

impl MemoryLimit {
    /// The most memory there was, without the toolchain's stacks.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.saturating_sub(self.extra)
    }

    /// Whether a memory of this size may be there.
    pub(crate) fn allows(&self, bytes: u64) -> bool {
        bytes <= self.most
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let desired = desired as u64;
        let allowed = self.allows(desired);
        if allowed {
            self.peak = self.peak.max(desired);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE)
    }
}
