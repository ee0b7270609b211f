//! What InnoDB's own dictionary says of a table. Names in it are in the file system's alphabet, where `#` only begins a
//! partition.

use driftless_strategies::TableName;
use driftless_strategies::facts::Flavour;

use super::Sql;
use super::catalog_table::Dialect;

/// The numbers that InnoDB knows the table (all its partitions) by on this node: TRUNCATE gives new ones, RENAME does not.
/// NULL when there is none.
///
/// # Source
/// Our own tests on MariaDB 10.11 and MySQL 9.7.
#[must_use]
pub fn generation(table: &TableName, flavour: Flavour) -> Sql {
    Sql::new("SELECT GROUP_CONCAT(TABLE_ID ORDER BY TABLE_ID) FROM information_schema.").sql(&of(table, flavour))
}

/// How many row versions instant ADD and DROP have made of the table, the partition that has most; NULL when there is none.
/// `None` where the server counts none.
///
/// # Source
/// MySQL 8.0.29 release notes.
#[must_use]
pub fn row_versions(table: &TableName, dialect: Dialect) -> Option<Sql> {
    dialect
        .mysql_since(8, 0, 29)
        .then(|| Sql::new("SELECT MAX(TOTAL_ROW_VERSIONS) FROM information_schema.").sql(&of(table, Flavour::MySql)))
}

fn of(table: &TableName, flavour: Flavour) -> Sql {
    match flavour {
        Flavour::MariaDb => {
            let part = |value: &str| Sql::new("CONVERT(CONVERT(").string(value).text(" USING filename) USING binary)");
            Sql::new("INNODB_SYS_TABLES WHERE CAST(SUBSTRING_INDEX(NAME, '#', 1) AS BINARY) = CONCAT(")
                .sql(&part(table.schema.as_str()))
                .text(", '/', ")
                .sql(&part(table.table.as_str()))
                .text(")")
        }
        // It has that alphabet too, and takes it in no statement (1115 on 9.7).
        Flavour::MySql => {
            let pattern = format!("^{}/{}$", in_files(table.schema.as_str()), in_files(table.table.as_str()));
            Sql::new("INNODB_TABLES WHERE REGEXP_LIKE(SUBSTRING_INDEX(NAME, '#', 1), ").string(&pattern).text(", 'c')")
        }
    }
}

/// A pattern for a name in the file system's alphabet. A letter beyond ASCII stands for any: should another table differ in
/// such letters only, it is taken along, which gives one alarm too many at worst.
///
/// # Source
/// MySQL manual, "Mapping of identifiers to file names"; `@@@` ends names that some systems reserve.
fn in_files(name: &str) -> String {
    let letters = name.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || c == '_' => c.to_string(),
        c if c.is_ascii() => format!("@{:04x}", u32::from(c)),
        _ => "@[0-9a-zA-Z]{2,4}".to_owned(),
    });
    letters.collect::<String>() + "(@@@)?"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_files_are() {
        for (name, pattern) in
            [("t_1", "t_1(@@@)?"), ("a-b`c", "a@002db@0060c(@@@)?"), ("é", "@[0-9a-zA-Z]{2,4}(@@@)?")]
        {
            assert_eq!(in_files(name), pattern);
        }
    }
}
