//! The host's patience with a run. It says nothing of the program: what it ends has no verdict.

use std::time::{Duration, Instant};

/// How much longer than its processor time a run may take: on a host this crowded nobody waits for verdicts.
const CROWD: u32 = 20;

/// Counts from when it is made, on the thread that made it.
#[derive(Clone, Copy)]
pub(crate) struct Guard {
    begun: Instant,
    worked_before: Option<Duration>,
    most: Duration,
}

impl Guard {
    pub(crate) fn new(most: Duration) -> Self {
        Self { begun: Instant::now(), worked_before: worked(), most }
    }

    /// Whether patience is at its end. Asked on the thread that the guard was made on: where the system tells a
    /// thread's processor time, that is what counts, so that other work on the host takes no verdict away.
    pub(crate) fn passed(&self) -> bool {
        let waited = self.begun.elapsed();
        match (self.worked_before, worked()) {
            (Some(before), Some(now)) => {
                now.saturating_sub(before) >= self.most || waited >= self.most.saturating_mul(CROWD)
            }
            (None, _) | (_, None) => waited >= self.most,
        }
    }
}

/// Processor time that this thread has used.
#[cfg(unix)]
fn worked() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::ThreadCPUTime).try_into().ok()
}

#[cfg(not(unix))]
fn worked() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_patience_is_at_its_end_at_once_and_much_is_not() {
        assert!(Guard::new(Duration::ZERO).passed());
        assert!(!Guard::new(Duration::MAX).passed());
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_that_waits_is_not_held_to_have_worked() {
        let guard = Guard::new(Duration::from_millis(20));
        std::thread::spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(40) {}
        })
        .join()
        .expect("no panic");
        assert!(!guard.passed());
        while guard.begun.elapsed() < Duration::from_secs(60) && !guard.passed() {}
        assert!(
            worked() >= guard.worked_before.map(|before| before + guard.most)
                || guard.begun.elapsed() >= guard.most * CROWD
        );
        assert!(guard.passed());
    }
}
