//! A binlog of MariaDB 10.11: composite keys, savepoint, compressed events, XA, DDL.

use super::*;
use crate::binlog::DecodeError;
use crate::ports::rows::Bound;

const FILE: &[u8] = include_bytes!("../../../testdata/binlog/mariadb-10.11.bin");

fn told(change: &Change) -> String {
    let key = |bound: &Option<Bound>| bound.as_ref().map_or("-".to_owned(), |bound| bound.0.join(" "));
    match change {
        Change::Row { before, after, .. } => format!("{} > {}", key(before), key(after)),
        Change::Committed { at } => format!("committed {}", at.gtid.as_deref().unwrap_or("?")),
        Change::Ddl { statement, .. } => String::from_utf8_lossy(statement).into_owned(),
        Change::Idle { .. } => "idle".into(),
    }
}

fn whole() -> Vec<Change> {
    follow(Follower::new(watch(), &place(4), 4), &stored(FILE)).unwrap()
}

#[test]
fn every_change_is_told() {
    let lines: Vec<String> = whole().iter().map(told).filter(|line| line != "idle").collect();
    let xid = |change: &Change| match change {
        Change::Committed { at } => at.xid,
        Change::Row { .. } | Change::Ddl { .. } | Change::Idle { .. } => None,
    };
    assert!(whole().iter().filter_map(xid).count() > 5);
    let expected = std::fs::read_to_string("testdata/binlog/mariadb-10.11.txt").unwrap();
    assert_eq!(lines.join("\n"), expected.trim_end());
}

#[test]
fn a_follower_goes_on_anywhere() {
    let all = whole();
    for (index, change) in all.iter().enumerate() {
        let Change::Committed { at } = change else { continue };
        let events = stored(FILE);
        let rest = |change: &&Change| !matches!(change, Change::Idle { .. });
        let expected: Vec<&Change> = all[index + 1..].iter().filter(rest).collect();
        // As a server sends it: what the file is, then what comes after the place.
        let later = events.iter().skip(1).filter(|stored| u64::from(stored.event().end) > at.offset);
        let sent: Vec<Stored> = events.iter().take(1).chain(later).cloned().collect();
        let from_there = follow(Follower::new(watch(), at, at.offset), &sent).unwrap();
        assert_eq!(from_there.iter().filter(rest).collect::<Vec<_>>(), expected, "from {at}");
        // As it is read when a request can't name the place.
        let from_the_beginning = follow(Follower::new(watch(), at, 4), &events).unwrap();
        assert_eq!(from_the_beginning.iter().filter(rest).collect::<Vec<_>>(), expected, "passed over up to {at}");
        let inside = Position { offset: at.offset - 1, ..at.clone() };
        let error = follow(Follower::new(watch(), &inside, 4), &events).unwrap_err();
        assert!(matches!(error, DecodeError::Order(_)), "{error}");
    }
}

#[test]
fn a_flipped_bit_is_seen() {
    let events = stored(FILE);
    for index in 0..events.len() {
        let length = events[index].bytes.len();
        // The header's size is what the others are found by, and a file's own flag is in no checksum.
        for at in (0..9).chain(13..17).chain(19..length) {
            let mut spoiled = events.clone();
            spoiled[index].bytes[at] ^= 0x10;
            if at == 4 && [events[index].bytes[4], spoiled[index].bytes[4]].contains(&kind::FORMAT_DESCRIPTION) {
                continue;
            }
            let error = follow(Follower::new(watch(), &place(4), 4), &spoiled).unwrap_err();
            assert_eq!(error, DecodeError::Checksum, "event {index}, byte {at}");
        }
    }
}

#[test]
fn another_file_of_that_name_is_not_followed() {
    let first = place(4);
    let other = Position { began: Some(1), ..first };
    let error = follow(Follower::new(watch(), &other, 4), &stored(FILE)).unwrap_err();
    assert!(matches!(error, DecodeError::OtherBinlog { .. }), "{error}");
    let last = Position { file: "bin.000009".into(), ..place(4) };
    let error = follow(Follower::new(watch(), &last, 4), &stored(FILE)).unwrap_err();
    assert!(matches!(error, DecodeError::Gap { .. }), "the file ends with the name of the next: {error}");
}

#[test]
fn places_beyond_four_gigabytes_are_counted() {
    let mut file: Vec<Stored> = stored(FILE).into_iter().map(|stored| Stored { summed: false, ..stored }).collect();
    for stored in &mut file {
        let tail = if stored.bytes[4] == kind::FORMAT_DESCRIPTION { 5 } else { 4 };
        stored.bytes.truncate(stored.bytes.len() - tail);
    }
    // The last event before the rotation ends just beyond what 32 bits hold.
    let count = file.len();
    let shift = u32::MAX - file[count - 2].event().end + 10;
    for stored in file.iter_mut().skip(1) {
        let end = stored.event().end.wrapping_add(shift).to_le_bytes();
        stored.bytes[13..17].copy_from_slice(&end);
    }
    let before = whole();
    let after = follow(Follower::new(watch(), &place(4), 4), &file).unwrap();
    let places = |changes: &[Change]| -> Vec<u64> {
        let offset = |change: &Change| match change {
            Change::Committed { at } => Some(at.offset),
            Change::Row { .. } | Change::Ddl { .. } | Change::Idle { .. } => None,
        };
        changes.iter().filter_map(offset).collect()
    };
    let expected: Vec<u64> = places(&before).iter().map(|offset| offset + u64::from(shift)).collect();
    assert_eq!(places(&after), expected);
    assert!(expected.last() > Some(&u64::from(u32::MAX)));
}
