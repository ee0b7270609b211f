//! Bytes that no server wrote: an error or changes, never a panic, never without end.

use proptest::prelude::*;

use super::*;
use crate::binlog::{decimal, moment};

/// Changes of a few bytes; more would come out of nothing.
const MOST: usize = 10_000;

fn tries(kind: u8, body: &[u8], flags: u16) {
    let map: &[u8] = &[9, 0, 0, 0, 0, 0, 1, 0, 1, b's', 0, 1, b't', 0, 3, 9, 15, 252, 3, 20, 0, 4, 4];
    let event = |kind, body, end| Event { timestamp: 0, kind, server_id: 1, size: 0, end, flags, body, checksum: None };
    let mut follower = Follower::new(watch(), &place(4), 4);
    follower.accept(&event(crate::binlog::kind::TABLE_MAP, map, 100)).unwrap();
    let given = event(kind, body, 200);
    if follower.accept(&given).is_err() {
        return;
    }
    let mut count = 0;
    while let Ok(Some(_)) = follower.next(body) {
        count += 1;
        assert!(count < MOST, "type {kind}");
    }
}

/// A rows event of the watched table, up to its rows.
fn head(kind: u8) -> Vec<u8> {
    let mut head = vec![9, 0, 0, 0, 0, 0, 1, 0];
    if matches!(kind, 30..=32 | 39 | 169..=171) {
        head.extend([2, 0]);
    }
    head.push(3);
    head.push(7);
    if matches!(kind, 24 | 31 | 39 | 167 | 170) {
        head.push(7);
    }
    head
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_event(kind: u8, body: Vec<u8>, flags: u16) {
        tries(kind, &body, flags);
    }

    #[test]
    fn any_rows(kind in prop::sample::select(vec![23_u8, 24, 25, 30, 31, 32, 39, 166, 167, 168, 169, 170, 171]), rows: Vec<u8>) {
        let body = [head(kind), rows].concat();
        tries(kind, &body, 0);
    }

    #[test]
    fn any_statement(statement: Vec<u8>, schema: Vec<u8>) {
        let watch = watch();
        crate::binlog::statement::role(&statement);
        crate::binlog::statement::concerns(&watch, &schema, &statement);
    }

    #[test]
    fn any_decimal(bytes: Vec<u8>, digits in 1_u8..=65, scale in 0_u8..=38) {
        drop(decimal::text(&bytes, digits, scale.min(digits)));
    }

    #[test]
    fn decimals_are_read_as_they_are_stored(negative: bool, whole in 0_u64..1_000_000_000_000_000, part in 0_u64..100_000) {
        // decimal(20,5): six and nine digits before the point, five after it.
        let mut bytes = Vec::new();
        bytes.extend(&u32::try_from(whole / 1_000_000_000).unwrap().to_be_bytes()[1..]);
        bytes.extend(u32::try_from(whole % 1_000_000_000).unwrap().to_be_bytes());
        bytes.extend(&u32::try_from(part).unwrap().to_be_bytes()[1..]);
        bytes[0] ^= 0x80;
        if negative {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        let sign = if negative { "-" } else { "" };
        prop_assert_eq!(decimal::text(&bytes, 20, 5), Some(format!("{sign}{whole}.{part:05}")));
    }

    #[test]
    fn times_are_read_as_they_are_stored(negative: bool, hours in 0_u64..=838, rest in 0_u64..3600, micros in 0_u64..1_000_000) {
        let whole = (hours << 12) + ((rest / 60) << 6) + rest % 60;
        let packed = (whole << 24) + micros;
        let middle = 0x80_0000_u64 << 24;
        let stored = if negative { middle - packed } else { middle + packed };
        let time = moment::time(&stored.to_be_bytes()[2..], 6).unwrap();
        let sign = if negative && packed > 0 { "-" } else { "" };
        let expected = format!("{sign}{hours:02}:{:02}:{:02}.{micros:06}", rest / 60, rest % 60);
        prop_assert_eq!(time.to_string(), expected);
    }

    #[test]
    fn days_are_read_as_they_are_stored(year in 0_u64..=9999, month in 0_u64..=12, day in 0_u64..=31, second in 0_u64..86_400) {
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        let days = ((year * 13 + month) << 5) + day;
        let packed = (days << 17) + (hours << 12) + (minutes << 6) + seconds;
        let stored = (packed + 0x80_0000_0000).to_be_bytes();
        let moment = moment::date_time(&stored[3..], 0).unwrap().to_string();
        prop_assert_eq!(moment, format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}"));
        let stored = ((year << 9) + (month << 5) + day).to_le_bytes();
        prop_assert_eq!(moment::date(&stored[..3]).unwrap().to_string(), format!("{year:04}-{month:02}-{day:02}"));
    }
}
