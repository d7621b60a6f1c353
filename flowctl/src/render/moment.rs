//! Moments and spans of time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago a moment of the Unix clock was, in its largest unit.
pub(crate) fn ago(ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let seconds = now.saturating_sub(u128::from(ms)) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86400),
    }
}

/// A moment of the Unix clock as ISO 8601 writes it, in UTC.
pub(crate) fn iso(ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times of runs are far below 2^52 ms")]
    let ms = ms as f64;
    ms / 1000.0
}

/// A span of time, in the unit that fits it.
pub(crate) fn took(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{:.1} s", seconds(ms)) }
}
