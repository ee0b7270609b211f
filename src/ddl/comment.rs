//! Executable comments, `/*!50708 …*/` and `/*M!100600 …*/`: run or skipped as the server would.

use driftless_strategies::{Flavour, Version};

use super::error::{AlterError, Problem};
use super::lexer::{Era, Part};

/// Versions that MariaDB leaves to MySQL: its own numbers never lie here.
const MYSQL_ONLY: std::ops::RangeInclusive<u32> = 50_700..=99_999;

/// The part of the comment that the server executes; `None` when it is a comment to that server.
///
/// # Errors
/// When the server could see another end of the comment than we do, or its version can't be read with certainty.
pub(super) fn content<'a>(part: Part<'a>, body: &str, era: Era) -> Result<Option<Part<'a>>, AlterError> {
    let refuse = |why| Err(part.error(Problem::Executable(why), part.from));
    let (marker, rest) = if let Some(rest) = body.strip_prefix('!') {
        (Marker::Both, rest)
    } else if let (Flavour::MariaDb, Some(rest)) = (era.flavour, body.strip_prefix("M!")) {
        (Marker::MariaDb, rest)
    } else {
        return Ok(None);
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let used = match era.flavour {
        Flavour::MariaDb if digits >= 5 => digits.min(6),
        Flavour::MySql if digits == 5 => 5,
        // Before 8.1 the sixth digit belongs to the content, later to the version.
        Flavour::MySql if digits > 5 => return refuse("its version has more than five digits"),
        Flavour::MariaDb | Flavour::MySql => 0,
    };
    let (number, content) = rest.split_at(used);
    // The server looks for the end of the comment with strings and comments inside in mind; then ours may be another.
    if content.contains("/*") || content.contains("--") || content.contains('#') {
        return refuse("it has a comment inside");
    }
    if let Ok(number) = number.parse::<u32>()
        && !runs(marker, number, era)
    {
        return Ok(None);
    }
    let to = part.to.saturating_sub("*/".len());
    Ok(Some(Part { source: part.source, from: to.saturating_sub(content.len()), to }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// `/*!`
    Both,
    /// `/*M!`
    MariaDb,
}

/// Bytes of the marker of an executable comment that begins here, when that server executes it.
pub(super) fn marker(rest: &str, era: Era) -> Option<usize> {
    let (marker, length) = if rest.starts_with("/*!") {
        (Marker::Both, 3)
    } else if era.flavour == Flavour::MariaDb && rest.starts_with("/*M!") {
        (Marker::MariaDb, 4)
    } else {
        return None;
    };
    let most = if era.flavour == Flavour::MariaDb { 6 } else { 5 };
    let number = rest.get(length..).unwrap_or_default();
    let digits = number.bytes().take_while(u8::is_ascii_digit).count().min(most);
    let number: Option<u32> = number.get(..digits).filter(|_| digits >= 5).and_then(|number| number.parse().ok());
    let executed = number.is_none_or(|number| runs(marker, number, era));
    executed.then_some(length + if number.is_some() { digits } else { 0 })
}

fn runs(marker: Marker, number: u32, era: Era) -> bool {
    let Version { major, minor, patch } = era.version;
    let own = major.saturating_mul(10_000).saturating_add(minor.saturating_mul(100)).saturating_add(patch);
    let foreign = era.flavour == Flavour::MariaDb && marker == Marker::Both && MYSQL_ONLY.contains(&number);
    number <= own && !foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(comment: &str, era: Era) -> Result<Option<String>, Problem> {
        let part = Part { source: comment, from: 0, to: comment.len() };
        let body = comment.trim_start_matches("/*").trim_end_matches("*/");
        let content = content(part, body, era).map_err(|error| error.problem)?;
        Ok(content.map(|part| comment[part.from..part.to].to_owned()))
    }

    #[test]
    fn evaluates_as_the_servers_do() {
        let maria = Era { flavour: Flavour::MariaDb, version: Version::new(10, 11, 19) };
        let mysql = Era { flavour: Flavour::MySql, version: Version::new(8, 0, 36) };
        //  comment             MariaDB 10.11.19 (as measured)   MySQL 8.0.36
        let cases = [
            ("/*!50699 x*/", Some(" x"), Some(" x")),
            ("/*!50700 x*/", None, Some(" x")),
            ("/*!80036 x*/", None, Some(" x")),
            ("/*!80037 x*/", None, None),
            ("/*!99999 x*/", None, None),
            ("/*M!50708 x*/", Some(" x"), None),
            ("/*M!100600 x*/", Some(" x"), None),
            ("/*M! x*/", Some(" x"), None),
            ("/*m!100600 x*/", None, None),
            ("/*! x*/", Some(" x"), Some(" x")),
            ("/*!0+1*/", Some("0+1"), Some("0+1")),
            ("/* plain */", None, None),
            ("/*+ hint */", None, None),
        ];
        for (comment, on_maria, on_mysql) in cases {
            assert_eq!(evaluate(comment, maria).unwrap().as_deref(), on_maria, "{comment} on MariaDB");
            assert_eq!(evaluate(comment, mysql).unwrap().as_deref(), on_mysql, "{comment} on MySQL");
        }
        for (comment, content) in [
            ("/*!100300 x*/", Some(" x")),
            ("/*!101119 x*/", Some(" x")),
            ("/*!101120 x*/", None),
            ("/*!999999 x*/", None),
            ("/*!1003000+1*/", Some("0+1")),
        ] {
            assert_eq!(evaluate(comment, maria).unwrap().as_deref(), content, "{comment} on MariaDB");
            assert!(evaluate(comment, mysql).is_err(), "{comment} on MySQL");
        }
        for bad in ["/*!50000 a /* b */", "/*!50000 a -- b */", "/*!50000 a # b */"] {
            assert!(evaluate(bad, maria).is_err(), "{bad}");
        }
    }
}
