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
        let worked = self.worked_before.zip(worked()).map(|(before, now)| now.saturating_sub(before));
        passed(self.most, self.begun.elapsed(), worked)
    }
}

fn passed(most: Duration, waited: Duration, worked: Option<Duration>) -> bool {
    match worked {
        Some(worked) => worked >= most || waited >= most.saturating_mul(CROWD),
        None => waited >= most,
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

    #[test]
    fn work_counts_and_waiting_only_where_it_is_long_or_work_is_not_known() {
        let seconds = Duration::from_secs;
        let passed = |waited, worked: Option<u64>| passed(seconds(2), seconds(waited), worked.map(seconds));
        assert!(!passed(39, Some(1)) && passed(2, Some(2)) && passed(40, Some(0)));
        assert!(!passed(1, None) && passed(2, None));
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_that_waits_is_not_held_to_have_worked() {
        let worked = || worked().expect("the system tells it");
        let (before, much) = (worked(), Duration::from_millis(200));
        std::thread::spawn(move || while worked() < much {}).join().expect("no panic");
        assert!(worked() - before < much);
    }
}
