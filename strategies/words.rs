//! Numbers and lists as sentences have them.

/// `n1`, `n1 and n2`, `n1, n2 and n3`.
#[must_use]
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// `1 row`, `2 rows`, `1,234 rows`.
#[must_use]
pub fn many(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

/// Digits in groups of three: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `1.5 KiB`, `48 MiB`: one decimal below ten.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = 1024_u64;
    let mut text = format!("{bytes} B");
    for unit in UNITS {
        if bytes < size {
            break;
        }
        let tenths = u128::from(bytes) * 10 / u128::from(size);
        text = if tenths < 100 {
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        } else {
            format!("{} {unit}", count(bytes / size))
        };
        size = size.saturating_mul(1024);
    }
    text
}

/// `under a second`, `42 s`, `3 min`, `2 h 5 min`.
#[must_use]
pub fn seconds(seconds: u64) -> String {
    match seconds {
        0 => "under a second".to_owned(),
        1..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        7200.. => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_well() {
        assert_eq!(
            [list::<&str>(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])].join("|"),
            "|a|a and b|a, b and c"
        );
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)].join("|"), "0|999|1,000|1,234,567");
        assert_eq!([many(1, "row"), many(0, "row"), many(1200, "row")].join("|"), "1 row|0 rows|1,200 rows");
        let sizes = [0, 1023, 1024, 1536, 10_240, 50_331_648, 1 << 30, u64::MAX].map(bytes);
        assert_eq!(sizes.join("|"), "0 B|1023 B|1.0 KiB|1.5 KiB|10 KiB|48 MiB|1.0 GiB|16,383 PiB");
        let times = [0, 1, 119, 120, 121, 7199, 7200, 7500].map(seconds);
        assert_eq!(times.join("|"), "under a second|1 s|119 s|2 min|3 min|120 min|2 h 0 min|2 h 5 min");
    }
}
