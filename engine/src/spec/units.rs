//! Numbers with units, as flows write them: `90s`, `1GiB`, `40G`, `3k`.

use crate::value::Value;
use std::time::Duration;

fn split(written: &str) -> Option<(f64, &str)> {
    let written = written.trim();
    let end = written.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(written.len());
    let number: f64 = written[..end].parse().ok()?;
    Some((number, written[end..].trim()))
}

/// A time as flows write it: `500ms`, `90s`, `10m`, `2h`, `3d`.
pub fn duration(written: &str) -> Option<Duration> {
    let (number, unit) = split(written)?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Bytes: `512MiB`, `1GiB`, `64KB`, `100`.
pub fn bytes(written: &str) -> Option<u64> {
    let (number, unit) = split(written)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    whole(number * factor)
}

/// Fuel: `40G`, `500M`, a plain number.
pub fn fuel(written: &str) -> Option<u64> {
    let (number, unit) = split(written)?;
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return None,
    };
    whole(number * factor)
}

/// A number that may end in k: `3k`.
pub fn count(written: &str) -> Option<Value> {
    let (number, unit) = split(written)?;
    (unit == "k").then(|| whole(number * 1e3).map(Value::from)).flatten()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number in range")]
fn whole(number: f64) -> Option<u64> {
    (0.0..=9e18).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_the_language_page_are_read() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        assert_eq!(fuel("40G"), Some(40_000_000_000));
        assert_eq!(count("3k"), Some(Value::from(3000)));
        assert_eq!(duration("soon"), None);
    }
}
