//! A key's value as the literal that `sql::copy::bound` makes of the same value.

use std::fmt::Write as _;

use super::key::KeyForm;
use super::value::Value;

/// The literal; `None` when the value is none that the form can have.
pub(super) fn literal(form: &KeyForm, value: &Value<'_>) -> Option<String> {
    Some(match (form, value) {
        (KeyForm::Integer { width: 0 } | KeyForm::Ordinal, Value::UInt(number)) => number.to_string(),
        (KeyForm::Integer { width: 0 }, Value::Int(number)) => number.to_string(),
        (KeyForm::Integer { width }, Value::UInt(number)) => format!("{number:0width$}"),
        (KeyForm::Decimal { whole }, Value::Decimal(text)) => filled(text, *whole),
        (KeyForm::Year { short: true }, Value::Year(year)) => format!("{:02}", year % 100),
        (KeyForm::Year { short: false }, Value::Year(year)) => format!("{year:04}"),
        (KeyForm::Text { introducer }, Value::Bytes(bytes)) => hex(introducer, bytes),
        (KeyForm::Bytes, Value::Bytes(bytes)) => hex("x'", bytes),
        (KeyForm::Moment, Value::Date(date)) => format!("'{date}'"),
        (KeyForm::Moment, Value::Time(time)) => format!("'{time}'"),
        (KeyForm::Moment, Value::DateTime(moment)) => format!("'{moment}'"),
        (KeyForm::Uuid, Value::Bytes(bytes)) => uuid(bytes)?,
        (KeyForm::Inet4, Value::Bytes(bytes)) => format!("'{}'", inet4(bytes)?),
        (KeyForm::Inet6, Value::Bytes(bytes)) => format!("'{}'", inet6(bytes)?),
        (_, _) => return None,
    })
}

fn hex(introducer: &str, bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut text = String::with_capacity(introducer.len() + bytes.len() * 2 + 1);
    text.push_str(introducer);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 0xf)]);
    }
    text.push('\'');
    text
}

fn filled(text: &str, whole: usize) -> String {
    let before = text.split('.').next().map_or(0, str::len);
    "0".repeat(whole.saturating_sub(before)) + text
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(38);
    text.push('\'');
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").ok()?;
    }
    text.push('\'');
    Some(text)
}

fn inet4(bytes: &[u8]) -> Option<String> {
    let [a, b, c, d] = bytes else { return None };
    Some(format!("{a}.{b}.{c}.{d}"))
}

/// The longest run of zeros, the first of equal ones and also a single one, becomes `::`; what embeds an IPv4 address ends as
/// one.
///
/// # Source
/// MariaDB, `Inet6::to_string` (sql_type_inet.cc).
fn inet6(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let words: Vec<u16> = bytes.chunks(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
    let (mut start, mut length) = (8, 0);
    for from in 0..8 {
        let run = words.iter().skip(from).take_while(|word| **word == 0).count();
        if run > length {
            (start, length) = (from, run);
        }
    }
    let embeds = start == 0 && (length == 6 || (length == 5 && words.get(5) == Some(&0xffff)));
    let mut text = String::with_capacity(39);
    let mut index = 0;
    while index < 8 {
        if index == start {
            text.push_str(if index == 0 { "::" } else { ":" });
            index += length;
        } else if index == 6 && embeds {
            text.push_str(&inet4(bytes.get(12..)?)?);
            break;
        } else {
            write!(text, "{:x}", words.get(index)?).ok()?;
            index += 1;
            if index < 8 {
                text.push(':');
            }
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_server_writes_them() {
        //   words                                             text
        let cases: [([u16; 8], &str); 8] = [
            ([0, 0, 0, 0, 0, 0, 0, 0], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xff], "2001:db8::ff"),
            ([0, 0, 0, 0, 0, 0, 0x102, 0x304], "::1.2.3.4"),
            ([0, 0, 0, 0, 0, 0xffff, 0x102, 0x304], "::ffff:1.2.3.4"),
            ([1, 0, 2, 3, 4, 5, 6, 7], "1::2:3:4:5:6:7"),
            ([1, 2, 3, 4, 5, 6, 7, 0], "1:2:3:4:5:6:7::"),
            ([1, 0, 0, 2, 0, 0, 0, 3], "1:0:0:2::3"),
        ];
        for (words, expected) in cases {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(inet6(&bytes).as_deref(), Some(expected));
        }
    }

    #[test]
    fn numbers_are_filled() {
        //   text      whole  filled
        let cases =
            [("1.50", 3, "001.50"), ("0.05", 3, "000.05"), ("12345", 3, "12345"), ("-1.5", 0, "-1.5"), ("7", 2, "07")];
        for (text, whole, expected) in cases {
            assert_eq!(filled(text, whole), expected, "{text}");
        }
        assert_eq!(hex("_latin1 x'", b"\xe9\x00"), "_latin1 x'E900'");
    }
}
