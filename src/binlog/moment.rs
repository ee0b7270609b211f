//! Dates and times as they are stored. They stay what they are: zero dates, 838 hours and day 0 are legal.

use std::fmt;

use super::bytes::{big, little};

/// `DATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// 0 to 9999.
    pub year: u16,
    /// 0 to 12.
    pub month: u8,
    /// 0 to 31.
    pub day: u8,
}

/// `TIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Before zero.
    pub negative: bool,
    /// 0 to 838; at most 23 within a `DateTime`.
    pub hours: u16,
    /// 0 to 59.
    pub minutes: u8,
    /// 0 to 59.
    pub seconds: u8,
    /// Millionths of a second.
    pub micros: u32,
    /// Digits that are shown of them.
    pub fraction: u8,
}

/// `DATETIME`, or a `TIMESTAMP` in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// The day.
    pub date: Date,
    /// The time of the day.
    pub time: Time,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds)?;
        if self.fraction == 0 {
            return Ok(());
        }
        let digits = usize::from(self.fraction.min(6));
        let shown = self.micros / 10_u32.pow(6 - u32::from(self.fraction.min(6)));
        write!(f, ".{shown:0digits$}")
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.time)
    }
}

fn small(number: u64, limit: u64) -> Option<u8> {
    if number > limit { None } else { u8::try_from(number).ok() }
}

/// Days, months and years in three bytes: 5, 4 and 15 bits.
pub(super) fn date(bytes: &[u8]) -> Option<Date> {
    let packed = little(bytes)?;
    Some(Date {
        year: u16::try_from(packed >> 9).ok().filter(|year| *year <= 9999)?,
        month: small(packed >> 5 & 0xf, 12)?,
        day: small(packed & 0x1f, 31)?,
    })
}

/// A fraction of as few bytes as its digits need, in millionths.
fn micros(bytes: &[u8]) -> Option<u32> {
    let number = u32::try_from(big(bytes)?).ok()?;
    let micros = match bytes.len() {
        0 => 0,
        1 => number.checked_mul(10_000)?,
        2 => number.checked_mul(100)?,
        _ => number,
    };
    (micros < 1_000_000).then_some(micros)
}

/// # Source
/// MySQL, `my_time_packed_from_binary` (my_time.cc): sign and zero at the middle of the range; 10, 6 and 6 bits; a fraction
/// that belongs to the whole, so that negative values borrow from it.
pub(super) fn time(bytes: &[u8], fraction: u8) -> Option<Time> {
    let part = bytes.len().checked_sub(3)?;
    let middle = 0x80_0000_u64 << (8 * part);
    let packed = big(bytes)?;
    let (negative, size) = if packed < middle { (true, middle - packed) } else { (false, packed - middle) };
    let whole = size >> (8 * part);
    let rest = (size - (whole << (8 * part))).to_be_bytes();
    Some(Time {
        negative,
        hours: u16::try_from(whole >> 12 & 0x3ff).ok()?,
        minutes: small(whole >> 6 & 0x3f, 59)?,
        seconds: small(whole & 0x3f, 59)?,
        micros: micros(rest.get(8 - part..)?)?,
        fraction,
    })
}

/// # Source
/// MySQL, `my_datetime_packed_from_binary` (my_time.cc): one bit of sign that is always set, 17 bits of year * 13 + month, 5
/// of day, 5, 6 and 6 of the time; then the fraction.
pub(super) fn date_time(bytes: &[u8], fraction: u8) -> Option<DateTime> {
    let (whole, rest) = bytes.split_at_checked(5)?;
    let packed = big(whole)?.checked_sub(0x80_0000_0000)?;
    let (months, days) = (packed >> 22, packed >> 17 & 0x1f);
    let date = Date {
        year: u16::try_from(months / 13).ok().filter(|year| *year <= 9999)?,
        month: small(months % 13, 12)?,
        day: small(days, 31)?,
    };
    let time = Time {
        negative: false,
        hours: u16::from(small(packed >> 12 & 0x1f, 23)?),
        minutes: small(packed >> 6 & 0x3f, 59)?,
        seconds: small(packed & 0x3f, 59)?,
        micros: micros(rest)?,
        fraction,
    };
    Some(DateTime { date, time })
}

/// Seconds since 1970, then the fraction; zero is `0000-00-00`.
pub(super) fn timestamp(bytes: &[u8], fraction: u8) -> Option<DateTime> {
    let (whole, rest) = bytes.split_at_checked(4)?;
    utc(big(whole)?, micros(rest)?, fraction)
}

/// Before 5.6: the lowest byte first.
pub(super) fn old_timestamp(bytes: &[u8]) -> Option<DateTime> {
    utc(little(bytes)?, 0, 0)
}

/// Before 5.6: `YYYYMMDDHHMMSS` as a number.
pub(super) fn old_date_time(bytes: &[u8]) -> Option<DateTime> {
    let number = little(bytes)?;
    let (day, time) = (number / 1_000_000, number % 1_000_000);
    let date = Date {
        year: u16::try_from(day / 10_000).ok().filter(|year| *year <= 9999)?,
        month: small(day / 100 % 100, 12)?,
        day: small(day % 100, 31)?,
    };
    Some(DateTime { date, time: old_digits(time)? })
}

/// Before 5.6: `HHMMSS` as a signed number.
pub(super) fn old_time(bytes: &[u8]) -> Option<Time> {
    let number = little(bytes)?;
    let negative = number & 0x80_0000 != 0;
    let digits = if negative { 0x100_0000_u64.checked_sub(number)? } else { number };
    Some(Time { negative, ..old_digits(digits)? })
}

fn old_digits(number: u64) -> Option<Time> {
    Some(Time {
        negative: false,
        hours: u16::try_from(number / 10_000).ok()?,
        minutes: small(number / 100 % 100, 59)?,
        seconds: small(number % 100, 59)?,
        micros: 0,
        fraction: 0,
    })
}

/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": `civil_from_days`.
fn utc(seconds: u64, micros: u32, fraction: u8) -> Option<DateTime> {
    let of_day = seconds % 86_400;
    let time = Time {
        negative: false,
        hours: u16::try_from(of_day / 3600).ok()?,
        minutes: small(of_day / 60 % 60, 59)?,
        seconds: small(of_day % 60, 59)?,
        micros,
        fraction,
    };
    if seconds == 0 && micros == 0 {
        return Some(DateTime { date: Date { year: 0, month: 0, day: 0 }, time });
    }
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = Date {
        year: u16::try_from(year + era * 400 + u64::from(month >= 10)).ok()?,
        month: small(if month < 10 { month + 3 } else { month - 9 }, 12)?,
        day: small(day - (153 * month + 2) / 5 + 1, 31)?,
    };
    Some(DateTime { date, time })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_kind() {
        let time = |bytes: &[u8], fraction| super::time(bytes, fraction).map(|time| time.to_string());
        //  bytes                                    digits  text
        let cases: [(&[u8], u8, Option<&str>); 7] = [
            (&[0x80, 0x00, 0x01], 0, Some("00:00:01")),
            (&[0x7f, 0xff, 0xff], 0, Some("-00:00:01")),
            (&[0x4b, 0x91, 0x05], 0, Some("-838:59:59")),
            (&[0x7f, 0xff, 0xff, 0xff], 2, Some("-00:00:00.01")),
            (&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], 6, Some("-00:00:00.000001")),
            (&[0x80, 0x00, 0x00, 0x00], 1, Some("00:00:00.0")),
            (&[0x80, 0x0f, 0xff], 0, None),
        ];
        for (bytes, fraction, expected) in cases {
            assert_eq!(time(bytes, fraction).as_deref(), expected, "{bytes:x?}");
        }
        assert_eq!(old_time(&[0xff, 0xff, 0xff]).unwrap().to_string(), "-00:00:01");
        assert_eq!(old_time(&[0xa7, 0xf5, 0x7f]).unwrap().to_string(), "838:59:59");
    }

    #[test]
    fn days_of_every_kind() {
        let stamp = |seconds: u32| timestamp(&seconds.to_be_bytes(), 0).unwrap().to_string();
        assert_eq!(stamp(0), "0000-00-00 00:00:00");
        assert_eq!(stamp(1), "1970-01-01 00:00:01");
        assert_eq!(stamp(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(stamp(2_147_483_647), "2038-01-19 03:14:07");
        assert_eq!(stamp(u32::MAX), "2106-02-07 06:28:15");
        assert_eq!(date(&[0, 0, 0]).unwrap().to_string(), "0000-00-00");
        assert_eq!(date(&[0x9f, 0x1f, 0x4e]).unwrap().to_string(), "9999-12-31");
        assert_eq!(date_time(&[0x80, 0, 0, 0, 0], 0).unwrap().to_string(), "0000-00-00 00:00:00");
        let old = old_date_time(&99_991_231_235_959_u64.to_le_bytes()).unwrap();
        assert_eq!(old.to_string(), "9999-12-31 23:59:59");
    }
}
