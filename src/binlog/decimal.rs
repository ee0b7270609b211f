//! DECIMAL as it is stored.

/// Digits that four bytes hold.
const GROUP: usize = 9;
/// Bytes that so many digits of an incomplete group take.
const BYTES: [usize; GROUP + 1] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Bytes of a value.
///
/// # Source
/// MySQL, `decimal_bin_size` (decimal.c).
pub(super) fn length(digits: u8, scale: u8) -> usize {
    let part = |digits: usize| digits / GROUP * 4 + BYTES.get(digits % GROUP).copied().unwrap_or_default();
    part(usize::from(digits.saturating_sub(scale))) + part(usize::from(scale))
}

/// The value as the server prints it; `None` when the bytes are no such value.
pub(super) fn text(bytes: &[u8], digits: u8, scale: u8) -> Option<String> {
    if bytes.len() != length(digits, scale) || scale > digits {
        return None;
    }
    let negative = bytes.first()? & 0x80 == 0;
    // The highest bit is turned, so that values sort as bytes; negative ones are turned in whole.
    let mask = if negative { 0xff } else { 0 };
    let mut plain: Vec<u8> = bytes.iter().map(|byte| byte ^ mask).collect();
    *plain.first_mut()? ^= 0x80;
    let (whole, scale) = (usize::from(digits - scale), usize::from(scale));
    let first = BYTES.get(whole % GROUP).copied()?;
    let (before, after) = plain.split_at_checked(first + whole / GROUP * 4)?;
    let mut text = String::with_capacity(usize::from(digits) + 3);
    let (lead, groups) = before.split_at_checked(first)?;
    push(&mut text, lead, whole % GROUP)?;
    for group in groups.chunks(4) {
        push(&mut text, group, GROUP)?;
    }
    let significant = text.trim_start_matches('0').len();
    text.drain(..text.len() - significant);
    if text.is_empty() {
        text.push('0');
    }
    if scale > 0 {
        text.push('.');
        let (groups, tail) = after.split_at_checked(scale / GROUP * 4)?;
        for group in groups.chunks(4) {
            push(&mut text, group, GROUP)?;
        }
        push(&mut text, tail, scale % GROUP)?;
    }
    if negative {
        text.insert(0, '-');
    }
    Some(text)
}

fn push(text: &mut String, bytes: &[u8], digits: usize) -> Option<()> {
    use std::fmt::Write as _;
    if digits == 0 {
        return bytes.is_empty().then_some(());
    }
    let number = super::bytes::big(bytes)?;
    if number >= 10_u64.checked_pow(u32::try_from(digits).ok()?)? {
        return None;
    }
    write!(text, "{number:0digits$}").ok()
}

#[cfg(test)]
mod tests {
    use super::{length, text};

    #[test]
    fn reads_what_servers_store() {
        //   bytes                                                        digits scale  text
        let cases: [(&[u8], u8, u8, Option<&str>); 8] = [
            (&[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2], 14, 4, Some("1234567890.1234")),
            (&[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d], 14, 4, Some("-1234567890.1234")),
            (&[0x80, 0x00, 0x00], 5, 2, Some("0.00")),
            (&[0x80, 0x00, 0x05], 5, 2, Some("0.05")),
            (&[0x80], 1, 0, Some("0")),
            (&[0x76], 1, 0, Some("-9")),
            (&[0xff], 1, 0, None),
            (&[0x80, 0x00], 5, 2, None),
        ];
        for (bytes, digits, scale, expected) in cases {
            assert_eq!(text(bytes, digits, scale).as_deref(), expected, "{bytes:x?} decimal({digits},{scale})");
        }
        assert_eq!((length(65, 30), length(18, 9), length(5, 5), length(10, 0)), (30, 8, 3, 5));
    }
}
