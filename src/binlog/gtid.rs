//! Sets of transactions by their global numbers.

use std::collections::BTreeMap;
use std::fmt;

/// All transactions up to a place: for MariaDB the last one of each domain, for MySQL ranges of each source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Domain to server and sequence.
    mariadb: BTreeMap<u32, (u32, u64)>,
    /// Source (`uuid` or `uuid:tag`) to ranges, both ends within.
    mysql: BTreeMap<String, Vec<(u64, u64)>>,
}

/// One transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    MariaDb { domain: u32, server: u32, sequence: u64 },
    MySql { source: [u8; 16], number: u64 },
}

impl Numbers {
    /// Reads `0-1-5,1-2-3` or `uuid:1-5:7,uuid:tag:1`; `None` when it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once(':') {
                None => numbers.parse_mariadb(part)?,
                Some((source, rest)) => numbers.parse_mysql(source, rest)?,
            }
        }
        Some(numbers)
    }

    fn parse_mariadb(&mut self, part: &str) -> Option<()> {
        let mut fields = part.split('-');
        let (domain, server, sequence) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        self.mariadb.insert(domain.parse().ok()?, (server.parse().ok()?, sequence.parse().ok()?));
        Some(())
    }

    fn parse_mysql(&mut self, source: &str, rest: &str) -> Option<()> {
        let uuid = source.trim().to_ascii_lowercase();
        let mut name = uuid.clone();
        for item in rest.split(':').map(str::trim) {
            if !item.starts_with(|c: char| c.is_ascii_digit()) {
                name = format!("{uuid}:{}", item.to_ascii_lowercase());
                continue;
            }
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            self.mysql.entry(name.clone()).or_default().push(range);
        }
        Some(())
    }

    pub(super) fn add(&mut self, number: Number) {
        match number {
            Number::MariaDb { domain, server, sequence } => {
                self.mariadb.insert(domain, (server, sequence));
            }
            Number::MySql { source, number } => {
                let ranges = self.mysql.entry(uuid(source)).or_default();
                if ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)) {
                    return;
                }
                match ranges.iter_mut().find(|(_, last)| last.checked_add(1) == Some(number)) {
                    Some(range) => range.1 = number,
                    None => ranges.push((number, number)),
                }
                join(ranges);
            }
        }
    }
}

/// Ranges that touch become one.
fn join(ranges: &mut Vec<(u64, u64)>) {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges.drain(..) {
        match joined.last_mut() {
            Some(before) if before.1.saturating_add(1) >= first => before.1 = before.1.max(last),
            Some(_) | None => joined.push((first, last)),
        }
    }
    *ranges = joined;
}

fn uuid(bytes: [u8; 16]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        // Writing to a String can't fail.
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (domain, (server, sequence)) in &self.mariadb {
            write!(f, "{between}{domain}-{server}-{sequence}")?;
            between = ",";
        }
        for (source, ranges) in &self.mysql {
            write!(f, "{between}{source}")?;
            for (first, last) in ranges {
                if first == last { write!(f, ":{first}")? } else { write!(f, ":{first}-{last}")? }
            }
            between = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written() {
        const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let cases = [
            (String::new(), Some(String::new())),
            ("1-2-3,0-1-5".into(), Some("0-1-5,1-2-3".into())),
            (format!("{A}:1-5:7"), Some(format!("{A}:1-5:7"))),
            (format!("{}:1-5:7,\n{A}:tag:9", A.to_uppercase()), Some(format!("{A}:1-5:7,{A}:tag:9"))),
            ("nonsense".into(), None),
            ("1-2-3-4".into(), None),
            (format!("{A}:x-y"), Some(String::new())),
        ];
        for (text, expected) in cases {
            assert_eq!(Numbers::parse(&text).map(|numbers| numbers.to_string()), expected, "{text}");
        }
    }

    #[test]
    fn transactions_are_added() {
        let mut numbers = Numbers::parse("0-1-5").unwrap();
        numbers.add(Number::MariaDb { domain: 0, server: 2, sequence: 6 });
        numbers.add(Number::MariaDb { domain: 7, server: 1, sequence: 1 });
        assert_eq!(numbers.to_string(), "0-2-6,7-1-1");
        let mut numbers = Numbers::default();
        for number in [1, 2, 5, 3, 4, 9, 4] {
            numbers.add(Number::MySql { source: [0xab; 16], number });
        }
        assert_eq!(numbers.to_string(), "abababab-abab-abab-abab-abababababab:1-5:9");
    }
}
