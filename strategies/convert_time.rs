//! Changes of dates and times.

use crate::column_type::ColumnType;
use crate::convert::{Conversion, OTHER, printed};
use crate::plan::Compare;
use crate::verdict::ReasonCode;

const CUTS: Conversion = Conversion::lossy("cuts fractions of a second without an error");
const DROPS_TIME: Conversion = Conversion::lossy("drops the time of day without an error");
const DROPS_DATE: Conversion = Conversion::lossy("drops the date without an error");
const ADDS_TODAY: Conversion = Conversion::lossy("puts the current date in front");
const ZONE: Conversion = Conversion::Silent {
    why: "depends on the time zone of the session that writes it",
    code: ReasonCode::TimeZoneConversion,
};

/// From `date`, `datetime`, `timestamp` and `time`.
pub(crate) fn from_time(from: &ColumnType, to: &ColumnType) -> Conversion {
    match (from, to) {
        (ColumnType::Date, ColumnType::Date) => Conversion::Same,
        (ColumnType::Date, ColumnType::DateTime { .. }) => Conversion::Widens(Compare::DateTime),
        (ColumnType::DateTime { fraction: old }, ColumnType::DateTime { fraction: new })
        | (ColumnType::Timestamp { fraction: old }, ColumnType::Timestamp { fraction: new }) => {
            precision(*old, *new, Compare::DateTime)
        }
        (ColumnType::Time { fraction: old }, ColumnType::Time { fraction: new }) => {
            precision(*old, *new, Compare::Time)
        }
        (ColumnType::Timestamp { .. }, _)
        | (ColumnType::Date | ColumnType::DateTime { .. }, ColumnType::Timestamp { .. }) => ZONE,
        (ColumnType::DateTime { .. }, ColumnType::Date) => DROPS_TIME,
        (ColumnType::Date | ColumnType::DateTime { .. }, ColumnType::Time { .. }) => DROPS_DATE,
        (ColumnType::Time { .. }, ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. }) => {
            ADDS_TODAY
        }
        (ColumnType::Date, _) => printed(10, to),
        (ColumnType::DateTime { fraction }, _) => printed(19 + shown(*fraction), to),
        (ColumnType::Time { fraction }, _) => printed(10 + shown(*fraction), to),
        _ => OTHER,
    }
}

const fn precision(old: u32, new: u32, compare: Compare) -> Conversion {
    if old == new {
        Conversion::Same
    } else if old < new {
        Conversion::Widens(compare)
    } else {
        CUTS
    }
}

/// Characters of the point and the fraction.
fn shown(fraction: u32) -> u64 {
    if fraction == 0 { 0 } else { u64::from(fraction) + 1 }
}
