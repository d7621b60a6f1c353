//! What begins next, and when a failed attempt is made again: pure functions of the state.

use super::frame::FrameId;
use crate::check::flow::Retry;
use std::time::Duration;

/// What waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A node all of whose dependencies are done.
    Node {
        /// The frame of its block.
        block: FrameId,
        /// Its place there.
        index: usize,
    },
    /// The next item or pass of a node.
    Next(FrameId),
    /// A work that has something to ask of the world.
    Send(FrameId),
}

/// How long to wait before the attempt after `attempt`: between the shortest wait and a ceiling that doubles each time, up
/// to the longest. Which, depends on the run's seed and the call alone, so that a run told again waits the same.
pub(super) fn backoff_ms(retry: &Retry, seed: u64, path: &str, attempt: u32) -> u64 {
    let (shortest, longest) = (millis(retry.backoff.0), millis(retry.backoff.1));
    let ceiling =
        shortest.saturating_mul(1u64.checked_shl(attempt).unwrap_or(u64::MAX)).clamp(shortest, longest.max(shortest));
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&attempt.to_le_bytes()).update(path.as_bytes());
    let mut chance = [0; 8];
    hasher.finalize_xof().fill(&mut chance);
    shortest + u64::from_le_bytes(chance) % (ceiling - shortest + 1)
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::ErrorName;

    #[test]
    fn waits_stay_between_the_shortest_and_the_doubled_ceiling() {
        let backoff = (Duration::from_secs(2), Duration::from_secs(60));
        let retry = Retry { times: 9, backoff, on: ErrorName::TRANSPORT.to_vec() };
        for seed in 0..200 {
            for attempt in 1..9 {
                let wait = backoff_ms(&retry, seed, "a", attempt);
                assert!((2_000..=60_000.min(2_000 << attempt)).contains(&wait), "{wait} at attempt {attempt}");
            }
        }
        assert_ne!(backoff_ms(&retry, 1, "a", 3), backoff_ms(&retry, 2, "a", 3));
    }
}
