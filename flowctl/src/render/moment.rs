//! Moments and spans of time.

use std::time::{SystemTime, UNIX_EPOCH};

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
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = |year: u64| if leap(year) { 366 } else { 365 };
    // Years are taken off one by one: as many as there are since 1970.
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", day + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_000_000_000_000), "2001-09-09T01:46:40Z");
        assert_eq!(iso(1_735_689_599_999), "2024-12-31T23:59:59Z");
        assert_eq!(iso(4_107_542_400_000), "2100-03-01T00:00:00Z");
    }
}
