//! What a statement in the binlog that names the watched table means for the job. Pure.

use driftless_strategies::{CopySpec, Ident};

use crate::ports::journal::JobId;

/// Names by which the job's own statements are known.
#[derive(Clone, Debug)]
pub struct Names {
    job: JobId,
    shadow: Ident,
    retired: Ident,
}

/// What a statement means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The job's own, or one that leaves the table and its rows as they are.
    Harmless,
    /// The job's RENAME: from here on the name is the new table's.
    Renamed,
    /// The table or its rows were changed in a way that no row event shows; the beginning of the statement.
    Changed(String),
}

/// First words of statements that leave table and rows as they are.
const HARMLESS: [&str; 12] = [
    "ANALYZE",
    "CHECK",
    "CHECKSUM",
    "FLUSH",
    "GRANT",
    "REVOKE",
    "CREATE VIEW",
    "DROP VIEW",
    "CREATE PROCEDURE",
    "CREATE FUNCTION",
    "CREATE EVENT",
    "SET",
];

/// Characters of a statement that are shown.
const SHOWN: usize = 120;

impl Names {
    /// The names of a job.
    #[must_use]
    pub fn of(job: &JobId, spec: &CopySpec) -> Self {
        Self { job: job.clone(), shadow: spec.shadow.table.clone(), retired: spec.retired.table.clone() }
    }

    /// What the statement means. Statements that can't be told apart count as changes.
    #[must_use]
    pub fn meaning(&self, statement: &[u8]) -> Meaning {
        let text = String::from_utf8_lossy(statement);
        let begin = skip_comments(&text);
        let words: Vec<String> = begin.split_whitespace().take(4).map(str::to_ascii_uppercase).collect();
        let first = words.first().map(String::as_str).unwrap_or_default();
        let names = |ident: &Ident| text.contains(&ident.quoted());
        if first == "RENAME" && names(&self.retired) && names(&self.shadow) {
            return Meaning::Renamed;
        }
        if names(&self.retired) || names(&self.shadow) || text.contains(&format!("driftless_{}", self.job)) {
            return Meaning::Harmless;
        }
        let plain: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| !["OR", "REPLACE"].contains(word)).collect();
        let two = plain.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        if HARMLESS.contains(&first) || HARMLESS.contains(&two.as_str()) {
            return Meaning::Harmless;
        }
        Meaning::Changed(begin.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

/// The text from its first word on.
fn skip_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = match rest.get(..2) {
            // What is in /*! … */ or /*M! … */ is carried out.
            Some("/*") if !rest.starts_with("/*!") && !rest.starts_with("/*M!") => {
                rest.split_once("*/").map(|(_, after)| after)
            }
            Some("--") => rest.split_once('\n').map(|(_, after)| after),
            _ if rest.starts_with('#') => rest.split_once('\n').map(|(_, after)| after),
            _ => None,
        };
        match after {
            Some(after) => rest = after.trim_start(),
            None => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let name = |text: &str| Ident::new(text).unwrap();
        Names { job: JobId("0123456789ab".into()), shadow: name("_o_new"), retired: name("_o_old") }
    }

    #[test]
    fn tells_own_and_harmless_statements_from_changes() {
        let harmless = Meaning::Harmless;
        //  statement                                                              meaning
        let cases = [
            (
                "CREATE TRIGGER `shop`.`driftless_0123456789ab_ins` BEFORE INSERT ON `shop`.`o` FOR EACH ROW BEGIN END",
                &harmless,
            ),
            ("RENAME TABLE `shop`.`o` TO `shop`.`_o_old`, `shop`.`_o_new` TO `shop`.`o`", &Meaning::Renamed),
            ("/* nightly */ analyze table o", &harmless),
            ("GRANT SELECT ON shop.o TO a", &harmless),
            ("CREATE OR REPLACE VIEW v AS SELECT * FROM o", &harmless),
            ("TRUNCATE TABLE o", &Meaning::Changed("TRUNCATE TABLE o".into())),
            ("ALTER TABLE o ADD x int", &Meaning::Changed("ALTER TABLE o ADD x int".into())),
            (
                "CREATE TRIGGER other BEFORE INSERT ON o FOR EACH ROW BEGIN END",
                &Meaning::Changed("CREATE TRIGGER other BEFORE INSERT ON o FOR EACH ROW BEGIN END".into()),
            ),
            ("CREATE INDEX i ON o (a)", &Meaning::Changed("CREATE INDEX i ON o (a)".into())),
            ("/*!50000 ALTER TABLE o FORCE */", &Meaning::Changed("/*!50000 ALTER TABLE o FORCE */".into())),
            ("DELETE FROM o", &Meaning::Changed("DELETE FROM o".into())),
        ];
        for (statement, meaning) in cases {
            assert_eq!(&names().meaning(statement.as_bytes()), meaning, "{statement}");
        }
        assert!(matches!(names().meaning(b"ALTER TABLE o COMMENT '\xff'"), Meaning::Changed(_)), "not UTF-8");
    }
}
