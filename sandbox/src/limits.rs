//! What one run may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Units of fuel: about one for each wasm instruction.
pub type Fuel = u64;

/// Fuel in one second of time limit.
///
/// Programs that pass natively within a problem's limit need at most 6.3 G of fuel for each second of it, the cheapest
/// that are too slow burn 20.2 G: this is the generous end of that gap. The guest's own clock runs at the same rate.
pub const FUEL_PER_SECOND: Fuel = 20_000_000_000;

/// Standard error is kept up to here, and cut without a fault: it is for people, not for verdicts.
pub const STDERR_BYTES: usize = 64 << 10;

/// A source text longer than this is refused.
pub const SOURCE_BYTES: usize = 256 << 10;

/// A wasm module longer than this is refused as a candidate.
pub const MODULE_BYTES: usize = 32 << 20;

/// Standard input longer than this is refused.
pub const STDIN_BYTES: usize = 256 << 20;

/// What one run may use. Verdicts come from `fuel`, `memory` and `output` alone; the wall guards the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Instructions, see [`FUEL_PER_SECOND`].
    pub fuel: Fuel,
    /// Bytes of linear memory; the stacks of our toolchains do not count.
    pub memory: u64,
    /// Bytes of standard output.
    pub output: u64,
    /// How long the host may take before it gives up. Never a verdict: the run ends as aborted.
    pub wall: Duration,
}

impl Limits {
    /// The default limits with so many seconds of time limit, counted in fuel.
    pub fn seconds(seconds: f64) -> Self {
        // Saturates: a negative or absurd time is no time or all the time there is.
        Self::fuel((seconds * FUEL_PER_SECOND as f64) as Fuel)
    }

    /// The default limits with so much fuel.
    pub fn fuel(fuel: Fuel) -> Self {
        // The slowest kinds of program burn 1.3 G a second of an idle processor, so a host that keeps up needs at most
        // 15 seconds for each second of limit; the rest is for a crowded one. The ceiling keeps `Duration` from overflowing.
        let limit = Duration::from_secs_f64((fuel as f64 / FUEL_PER_SECOND as f64).min(1e6));
        Self { fuel, memory: 1 << 30, output: 16 << 20, wall: Duration::from_secs(20) + limit * 15 }
    }
}

impl Default for Limits {
    /// Two seconds, 1 GiB, 16 MiB of output.
    fn default() -> Self {
        Self::seconds(2.0)
    }
}

/// Milliseconds that so much fuel stands for, rounded up: the same on every machine.
pub fn fuel_ms(fuel: Fuel) -> u64 {
    fuel.div_ceil(FUEL_PER_SECOND / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_are_forty_units_of_ten_to_the_nine() {
        let limits = Limits::default();
        assert_eq!((limits.fuel, limits.memory, limits.output), (40_000_000_000, 1 << 30, 16 << 20));
        assert_eq!(limits.wall, Duration::from_secs(50));
        assert_eq!(fuel_ms(limits.fuel), 2000);
    }

    #[test]
    fn absurd_times_do_not_overflow() {
        assert_eq!(Limits::seconds(-1.0).fuel, 0);
        assert_eq!(Limits::seconds(f64::INFINITY).fuel, u64::MAX);
    }
}
