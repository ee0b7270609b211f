//! Numbers as people read them.

use std::time::Duration;

/// `1,234,567`.
#[must_use]
pub fn grouped(value: u64) -> String {
    group(&value.to_string())
}

/// A rate without decimals: `38,120`; `?` when it is no number.
#[must_use]
pub fn whole(value: f64) -> String {
    if value.is_finite() { group(&format!("{:.0}", value.max(0.0))) } else { "?".to_owned() }
}

fn group(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three figures and a unit: `999`, `38.1k`, `1.23M`, `412M`, `2.50G`.
#[must_use]
pub fn compact(value: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    for (unit, name) in UNITS {
        if value >= unit {
            // Cut, not rounded: 999,999 rows are not yet a million.
            let (whole, rest) = (value / unit, value % unit);
            return match whole {
                0..=9 => format!("{whole}.{:02}{name}", rest / (unit / 100)),
                10..=99 => format!("{whole}.{}{name}", rest / (unit / 10)),
                _ => format!("{whole}{name}"),
            };
        }
    }
    value.to_string()
}

/// Whole percent, 100 only when all is done; nothing of nothing is all.
#[must_use]
pub fn percent(done: u64, of: u64) -> u64 {
    if done >= of {
        return 100;
    }
    u64::try_from(u128::from(done) * 100 / u128::from(of)).unwrap_or(100)
}

/// `15 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {:02} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {:02} min", minutes % 60),
        86_400.. => format!("{days} d {:02} h", hours % 24),
    }
}

/// `12 ms`, `1.2 s`, `3 min 20 s`.
#[must_use]
pub fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000.. => span(ms / 1_000),
    }
}

/// Milliseconds of a duration.
#[must_use]
pub fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (12_345, "12,345")] {
            assert_eq!(grouped(value), text);
        }
        for (value, text) in [(38_119.6, "38,120"), (0.4, "0"), (-1.0, "0"), (f64::NAN, "?"), (f64::INFINITY, "?")] {
            assert_eq!(whole(value), text);
        }
        let compacts = [
            (0, "0"),
            (999, "999"),
            (1_000, "1.00k"),
            (38_120, "38.1k"),
            (999_999, "999k"),
            (1_234_567, "1.23M"),
            (2_500_000_000, "2.50G"),
            (u64::MAX, "18446744073G"),
        ];
        for (value, text) in compacts {
            assert_eq!(compact(value), text);
        }
    }

    #[test]
    fn shares_and_times() {
        for (done, of, share) in
            [(0, 10, 0), (999, 1_000, 99), (1_000, 1_000, 100), (0, 0, 100), (u64::MAX / 2, u64::MAX, 49)]
        {
            assert_eq!(percent(done, of), share);
        }
        let spans = [(0, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7_500, "2 h 05 min"), (273_600, "3 d 04 h")];
        for (seconds, text) in spans {
            assert_eq!(span(seconds), text);
        }
        for (ms, text) in [(12, "12 ms"), (1_290, "1.2 s"), (59_999, "59.9 s"), (200_000, "3 min 20 s")] {
            assert_eq!(millis(ms), text);
        }
    }
}
