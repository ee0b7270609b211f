//! A column of a file and its values: as the server gave them, and in the words that text formats share.

use std::borrow::Cow;

use driftless_strategies::Column;
use driftless_strategies::column_type::ColumnType;

use super::error::ArchiveError;
use super::text;

/// A column with its type.
#[derive(Clone, Debug)]
pub struct Field {
    /// The column.
    pub column: Column,
    /// Its type.
    pub kind: ColumnType,
}

/// A value on its way into a text format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// NULL.
    Null,
    /// A number that JSON has too.
    Number(Cow<'a, str>),
    /// ASCII without quotes, commas or backslashes.
    Plain(&'a str),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A value on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Back<'a> {
    /// NULL.
    Null,
    /// A word without quotes.
    Bare(&'a str),
    /// What stood in quotes.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The fields of columns, in their order.
///
/// # Errors
/// `Type` for a column that can't be kept exactly.
pub fn fields(columns: &[Column]) -> Result<Vec<Field>, ArchiveError> {
    columns.iter().map(Field::of).collect()
}

impl Field {
    /// The field of a column.
    ///
    /// # Errors
    /// `Type` when its values can't be kept exactly.
    pub fn of(column: &Column) -> Result<Self, ArchiveError> {
        let kind = ColumnType::of(column);
        let unknown = matches!(&kind, ColumnType::Other { name } if !name.starts_with("vector"));
        if unknown {
            let column_type = column.column_type.clone();
            return Err(ArchiveError::Type { column: column.name.as_str().to_owned(), column_type });
        }
        Ok(Self { column: column.clone(), kind })
    }

    /// The value in its one form: floating numbers are written by servers in several ways.
    pub(crate) fn normal<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, ArchiveError> {
        if !matches!(self.kind, ColumnType::Float { .. } | ColumnType::Double { .. }) {
            return Ok(Cow::Borrowed(value));
        }
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite()).ok_or_else(|| self.unfit(value))?;
        Ok(Cow::Owned(float_text(number).into_bytes()))
    }

    /// A value for a text format.
    pub(crate) fn cell<'a>(&self, value: Option<&'a [u8]>) -> Result<Cell<'a>, ArchiveError> {
        let Some(bytes) = value else { return Ok(Cell::Null) };
        Ok(match &self.kind {
            ColumnType::Integer { .. } | ColumnType::Bit { .. } | ColumnType::Year => {
                Cell::Number(Cow::Borrowed(self.plain(bytes)?))
            }
            ColumnType::Float { .. } | ColumnType::Double { .. } => match self.normal(bytes)? {
                Cow::Owned(text) => Cell::Number(Cow::Owned(String::from_utf8_lossy(&text).into_owned())),
                Cow::Borrowed(text) => Cell::Number(String::from_utf8_lossy(text)),
            },
            ColumnType::Decimal { .. }
            | ColumnType::Date
            | ColumnType::DateTime { .. }
            | ColumnType::Timestamp { .. }
            | ColumnType::Time { .. }
            | ColumnType::Uuid
            | ColumnType::Inet4
            | ColumnType::Inet6 => Cell::Plain(self.plain(bytes)?),
            ColumnType::Enum { members } => {
                let place = self.number(bytes)?;
                let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
                let member = place.and_then(|place| members.get(place));
                let back = member.and_then(|member| members.iter().position(|other| other == member));
                match member {
                    Some(member) if back == place && shown_whole(member) => Cell::Text(Cow::Owned(member.clone())),
                    Some(_) | None => Cell::Number(Cow::Borrowed(self.plain(bytes)?)),
                }
            }
            ColumnType::Set { members } => {
                let bits = self.number(bytes)?;
                let text = set_text(members, bits);
                match set_bits(members, &text) {
                    Some(same) if same == bits && shown_whole(&text) => Cell::Text(Cow::Owned(text)),
                    Some(_) | None => Cell::Number(Cow::Borrowed(self.plain(bytes)?)),
                }
            }
            ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } | ColumnType::Json => {
                text::decode(self.charset(), bytes).map_or(Cell::Bytes(bytes), Cell::Text)
            }
            ColumnType::Binary { .. }
            | ColumnType::VarBinary { .. }
            | ColumnType::Blob { .. }
            | ColumnType::Geometry { .. }
            | ColumnType::Other { .. } => Cell::Bytes(bytes),
        })
    }

    /// The value that `cell` was made of.
    pub(crate) fn value(&self, back: Back<'_>) -> Result<Option<Vec<u8>>, ArchiveError> {
        let odd = |what: &str| {
            Err(ArchiveError::value(&self.column.name, format!("`{what}` is no value of {}", self.column.column_type)))
        };
        match (&self.kind, back) {
            (_, Back::Null) => Ok(None),
            (ColumnType::Enum { members }, Back::Text(text)) => {
                match members.iter().position(|member| *member == text) {
                    Some(place) => Ok(Some((place + 1).to_string().into_bytes())),
                    None => odd(&text),
                }
            }
            (ColumnType::Set { members }, Back::Text(text)) => match set_bits(members, &text) {
                Some(bits) => Ok(Some(bits.to_string().into_bytes())),
                None => odd(&text),
            },
            (
                ColumnType::Char { .. } | ColumnType::VarChar { .. } | ColumnType::Text { .. } | ColumnType::Json,
                Back::Text(text),
            ) => match text::encode(self.charset(), &text) {
                Some(bytes) => Ok(Some(bytes)),
                None => odd(&text),
            },
            (
                ColumnType::Char { .. }
                | ColumnType::VarChar { .. }
                | ColumnType::Text { .. }
                | ColumnType::Json
                | ColumnType::Binary { .. }
                | ColumnType::VarBinary { .. }
                | ColumnType::Blob { .. }
                | ColumnType::Geometry { .. }
                | ColumnType::Other { .. },
                Back::Bytes(bytes),
            ) => Ok(Some(bytes)),
            (
                ColumnType::Integer { .. }
                | ColumnType::Bit { .. }
                | ColumnType::Year
                | ColumnType::Float { .. }
                | ColumnType::Double { .. }
                | ColumnType::Decimal { .. }
                | ColumnType::Date
                | ColumnType::DateTime { .. }
                | ColumnType::Timestamp { .. }
                | ColumnType::Time { .. }
                | ColumnType::Uuid
                | ColumnType::Inet4
                | ColumnType::Inet6
                | ColumnType::Enum { .. }
                | ColumnType::Set { .. },
                Back::Bare(text),
            ) => Ok(Some(self.plain(text.as_bytes())?.as_bytes().to_vec())),
            (
                ColumnType::Decimal { .. }
                | ColumnType::Date
                | ColumnType::DateTime { .. }
                | ColumnType::Timestamp { .. }
                | ColumnType::Time { .. }
                | ColumnType::Uuid
                | ColumnType::Inet4
                | ColumnType::Inet6,
                Back::Text(text),
            ) => Ok(Some(self.plain(text.as_bytes())?.as_bytes().to_vec())),
            (_, Back::Bare(text)) => odd(text),
            (_, Back::Text(text)) => odd(&text),
            (_, Back::Bytes(_)) => odd("bytes"),
        }
    }

    /// The character set that its text is kept in.
    pub(crate) fn charset(&self) -> &str {
        // A server prints JSON in utf8mb4, whatever the catalog says.
        let own = self.column.charset.as_deref().filter(|_| self.kind != ColumnType::Json);
        own.unwrap_or("utf8mb4")
    }

    /// What a value of numbers and dates may look like.
    pub(crate) fn plain<'a>(&self, value: &'a [u8]) -> Result<&'a str, ArchiveError> {
        let fits = !value.is_empty() && value.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.: ".contains(b));
        fits.then(|| std::str::from_utf8(value).ok()).flatten().ok_or_else(|| self.unfit(value))
    }

    fn number(&self, value: &[u8]) -> Result<u64, ArchiveError> {
        self.plain(value)?.parse().map_err(|_| self.unfit(value))
    }

    fn unfit(&self, value: &[u8]) -> ArchiveError {
        let shown: String = String::from_utf8_lossy(value).chars().take(40).collect();
        ArchiveError::value(&self.column.name, format!("`{shown}` is no value of {}", self.column.column_type))
    }
}

/// Servers show a 4-byte character of a member as `?`, which nobody can tell from a question mark.
fn shown_whole(member: &str) -> bool {
    !member.contains('?')
}

fn set_text(members: &[String], bits: u64) -> String {
    let chosen = members
        .iter()
        .enumerate()
        .filter(|(place, _)| bits.checked_shr(u32::try_from(*place).unwrap_or(64)).unwrap_or(0) & 1 == 1);
    chosen.map(|(_, member)| member.as_str()).collect::<Vec<_>>().join(",")
}

fn set_bits(members: &[String], text: &str) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    text.split(',').try_fold(0_u64, |bits, name| {
        let place = members.iter().position(|member| member == name)?;
        Some(bits | 1_u64.checked_shl(u32::try_from(place).ok()?)?)
    })
}

/// A double's shortest text that reads back as the same number; also a JSON number.
pub(crate) fn float_text(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-5..1e16).contains(&size) { format!("{number}") } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use driftless_strategies::Ident;
    use proptest::prelude::*;

    use super::*;

    fn field(column_type: &str) -> Field {
        let data_type = column_type.split(['(', ' ']).next().unwrap().to_owned();
        let column = Column {
            name: Ident::new("c").unwrap(),
            data_type,
            column_type: column_type.into(),
            nullable: true,
            default: None,
            extra: String::new(),
            charset: None,
            collation: None,
            generated: None,
            expression: None,
            invisible: false,
            comment: String::new(),
        };
        Field::of(&column).unwrap()
    }

    #[test]
    fn members_are_text_where_text_is_enough() {
        let one = field("enum('a','','b')");
        let text = |text: &'static str| Cell::Text(Cow::Borrowed(text));
        let number = |digits: &'static str| Cell::Number(Cow::Borrowed(digits));
        assert_eq!(one.cell(Some(b"2")).unwrap(), text(""));
        assert_eq!(one.cell(Some(b"3")).unwrap(), text("b"));
        assert_eq!(one.cell(Some(b"0")).unwrap(), number("0"), "a refused value");
        let many = field("set('a','','b')");
        assert_eq!(many.cell(Some(b"5")).unwrap(), text("a,b"));
        assert_eq!(many.cell(Some(b"0")).unwrap(), text(""));
        assert_eq!(many.cell(Some(b"2")).unwrap(), number("2"), "`''` and nothing look alike");
        assert!(one.cell(Some(b"x")).is_err());
    }

    /// Members with 4-byte characters, as servers show them.
    #[test]
    fn members_that_are_not_shown_whole_are_numbers() {
        for (kind, values) in [
            ("enum('?','?','a?','b')", ["1", "2", "3", "4"]),
            ("enum('a','b','c','a')", ["1", "2", "3", "4"]),
            ("set('?','?','b')", ["1", "2", "4", "6"]),
        ] {
            let field = field(kind);
            for value in values {
                let back = match field.cell(Some(value.as_bytes())).unwrap() {
                    Cell::Number(text) => field.value(Back::Bare(&text)).unwrap(),
                    Cell::Text(text) => {
                        assert!(!text.contains('?'), "{kind}: {text}");
                        field.value(Back::Text(text)).unwrap()
                    }
                    other @ (Cell::Null | Cell::Plain(_) | Cell::Bytes(_)) => panic!("{other:?}"),
                };
                assert_eq!(back, Some(value.as_bytes().to_vec()), "{kind}");
            }
        }
    }

    #[test]
    fn unknown_types_are_refused() {
        let column = Column { data_type: "xmltype".into(), column_type: "xmltype".into(), ..field("int").column };
        assert!(matches!(Field::of(&column), Err(ArchiveError::Type { .. })));
        assert!(Field::of(&Column { data_type: "vector".into(), column_type: "vector(3)".into(), ..column }).is_ok());
    }

    proptest! {
        #[test]
        fn doubles_come_back(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = float_text(number);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits);
            prop_assert!(serde_json::from_str::<f64>(&text).is_ok(), "{} is no JSON", text);
        }

        #[test]
        fn sets_come_back(bits in 0_u64..256) {
            let many = field("set('a','b','','d','e','f','g','h')");
            let value = bits.to_string().into_bytes();
            let back = match many.cell(Some(&value)).unwrap() {
                Cell::Number(text) => many.value(Back::Bare(&text)).unwrap(),
                Cell::Text(text) => many.value(Back::Text(text)).unwrap(),
                other @ (Cell::Null | Cell::Plain(_) | Cell::Bytes(_)) => panic!("{other:?}"),
            };
            prop_assert_eq!(back, Some(value));
        }
    }
}
