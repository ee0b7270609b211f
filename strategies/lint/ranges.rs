//! Values that run out, and members that change their numbers.

use crate::column_type::{ColumnType, Sign};
use crate::shape::Column;
use crate::verdict::{Reason, ReasonCode as Code};
use crate::words::count;

use super::change::Change;

/// Share of a type's range from which on its end is near.
const NEAR_END_PERCENT: u128 = 80;

/// An AUTO_INCREMENT column whose next value is near the end of its type, as it will be after the change.
pub(super) fn integer_range(change: &Change<'_>) -> Vec<Reason> {
    let Some(next) = change.facts.load.auto_increment else { return Vec::new() };
    let one = |column: &Column| {
        let ColumnType::Integer { bits, sign } = ColumnType::of(column) else { return None };
        // Nobody comes near the end of the widest, and nothing wider is left.
        let most = Some(most(bits, sign)).filter(|_| bits < 64)?;
        let percent = u128::from(next) * 100 / most.max(1);
        (percent >= NEAR_END_PERCENT).then(|| {
            Reason::new(
                Code::LintIntegerRange,
                format!(
                    "`{}` is {}, and its next value is {} ({percent} % of its range): at the end every INSERT fails",
                    column.name,
                    column.column_type,
                    count(next)
                ),
                format!(
                    "widen it in the same change, while the table is copied anyway (MODIFY `{}` BIGINT UNSIGNED NOT NULL \
                     AUTO_INCREMENT), and the columns of other tables that hold its values",
                    column.name
                ),
            )
        })
    };
    let auto = change.after.columns.iter().filter(|column| column.auto_increment());
    auto.filter_map(one).collect()
}

fn most(bits: u32, sign: Sign) -> u128 {
    let used = if sign.unsigned { bits } else { bits.saturating_sub(1) };
    1_u128.checked_shl(used).unwrap_or(u128::MAX).saturating_sub(1)
}

/// An ENUM or SET whose members stay and change their places.
pub(super) fn enum_order(change: &Change<'_>) -> Vec<Reason> {
    let one = |(old, new): (&Column, &Column)| {
        let (from, to) = members(old).zip(members(new))?;
        let first = from.iter().zip(&to).find(|(from, to)| from != to).map(|(_, to)| to)?;
        let kept = from.iter().all(|member| to.contains(member));
        kept.then(|| {
            Reason::new(
                Code::LintEnumOrder,
                format!(
                    "the members of `{}` get other numbers from `{first}` on: ORDER BY and code that uses the numbers \
                     give other results",
                    new.name
                ),
                "append new members at the end of the list",
            )
        })
    };
    change.pairs().filter_map(one).collect()
}

fn members(column: &Column) -> Option<Vec<String>> {
    if let ColumnType::Enum { members } | ColumnType::Set { members } = ColumnType::of(column) {
        Some(members)
    } else {
        None
    }
}
