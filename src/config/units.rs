//! Times as people write them.

use std::time::Duration;

/// Reads `150ms`, `3s`, `5m`, `1h`; a bare number is seconds.
///
/// # Errors
/// A sentence when it is none of these.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds: f64 = number.parse().map_err(|_| format!("'{text}' is not a time; write 150ms, 3s, 5m or 1h"))?;
    let unit = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("'{text}' has an unknown unit; write 150ms, 3s, 5m or 1h")),
    };
    Duration::try_from_secs_f64(seconds * unit).map_err(|_| format!("'{text}' is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        let cases = [("150ms", 150), ("3s", 3_000), ("3", 3_000), ("1.5s", 1_500), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "3x", "-1s", "99999999999999999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
