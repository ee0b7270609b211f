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

/// As `duration`, and besides `90d` and `12w`; a bare number says nothing here.
///
/// # Errors
/// A sentence when it is none of these.
pub fn age(text: &str) -> Result<Duration, String> {
    let days = |number: &str, each: u64| {
        let number: u64 = number.parse().map_err(|_| format!("'{text}' is not an age; write 12h, 90d or 52w"))?;
        number.checked_mul(each * 86_400).map(Duration::from_secs).ok_or_else(|| format!("'{text}' is out of range"))
    };
    if let Some(number) = text.strip_suffix('d') {
        return days(number, 1);
    }
    if let Some(number) = text.strip_suffix('w') {
        return days(number, 7);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("'{text}' has no unit; write 12h, 90d or 52w"));
    }
    duration(text)
}

/// Reads `01:00-05:00` as seconds since midnight; the end may be past midnight.
///
/// # Errors
/// A sentence when it is none.
pub fn window(text: &str) -> Result<(u64, u64), String> {
    let bad = || format!("'{text}' is not a time of day; write 01:00-05:00");
    let moment = |part: &str| {
        let (hour, minute) = part.trim().split_once(':')?;
        let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 3_600 + minute * 60)
    };
    let (from, to) = text.split_once('-').ok_or_else(bad)?;
    let (from, to) = (moment(from).ok_or_else(bad)?, moment(to).ok_or_else(bad)?);
    if from == to { Err(bad()) } else { Ok((from, to)) }
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

    #[test]
    fn reads_ages_and_windows() {
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!((age("2w"), age("12h")), (age("14d"), duration("12h")));
        for bad in ["90", "d", "-1d", "1y", "99999999999999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        assert_eq!(window("01:00-05:30"), Ok((3_600, 19_800)));
        assert_eq!(window("22:00-02:00"), Ok((79_200, 7_200)));
        for bad in ["1-5", "01:00", "25:00-02:00", "01:00-01:00", "a-b"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
