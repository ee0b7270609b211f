//! Lints of columns: defaults, attributes, character sets, names.

use crate::facts::{DryRun, Flavour, Version};
use crate::name::Ident;
use crate::sample::{column, table};
use crate::shape::{Generated, TableShape};

use super::sample::Sample;

/// A table as shops have them.
fn orders() -> TableShape {
    table(
        &[
            ("id", "int(11) AUTO"),
            ("name", "varchar(100) utf8mb4_general_ci"),
            ("code", "char(8) latin1_bin"),
            ("body", "text latin1_swedish_ci NULL DEFAULT NULL"),
            ("state", "enum('new','paid') utf8mb4_general_ci DEFAULT 'new'"),
            ("at", "timestamp NULL DEFAULT NULL"),
        ],
        &["PRIMARY primary id", "by_name unique name", "by_code plain code"],
    )
}

#[test]
fn ordinary_changes_are_not_remarked_upon() {
    let cases = [
        "ADD note TEXT",
        "ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT ''",
        "ADD (a INT, b BIGINT UNSIGNED NOT NULL DEFAULT 0)",
        "ADD n INT NOT NULL AUTO_INCREMENT",
        "ADD g INT AS (id + 1) STORED NOT NULL",
        "ADD `Größe` DECIMAL(10,2) NOT NULL DEFAULT -1.5 COMMENT 'NOT NULL, DEFAULT' AFTER id",
        "MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT",
        "MODIFY name VARCHAR(200) NOT NULL",
        "MODIFY code CHAR(12) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL",
        "MODIFY state ENUM('new','paid','sent') NOT NULL DEFAULT 'new'",
        "CHANGE name NAME VARCHAR(100) NOT NULL",
        "ALTER name SET DEFAULT 'x'",
        "DROP body",
        "DROP body; ADD memo TEXT",
        "ADD KEY by_state (state, name)",
        "ADD UNIQUE by_both (name, code)",
        "RENAME INDEX by_code TO by_the_code",
        "COMMENT 'orders of the shop'",
        "DEFAULT COLLATE utf8mb4_general_ci",
    ];
    for clauses in cases {
        assert_eq!(Sample::of(orders()).codes(clauses), "", "{clauses}");
    }
}

#[test]
fn a_new_column_without_a_value_is_found_where_no_server_was_asked() {
    //  clauses                                           found                 why
    let cases = [
        ("ADD n INT NOT NULL", "implicit-default", "no default"),
        ("ADD (a INT, b INT NOT NULL)", "implicit-default", "one of a list"),
        ("ADD e ENUM('x','y') NOT NULL", "implicit-default", "an enum gets its first member"),
        ("ADD COLUMN IF NOT EXISTS name INT NOT NULL", "", "it exists"),
        ("ADD s SERIAL", "", "the server counts"),
        ("ADD t TIMESTAMP NOT NULL", "implicit-default", "as the server's setting is not known"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(Sample::of(orders()).codes(clauses), found, "{why}");
    }
    let shown = Sample::of(orders()).shown(orders());
    assert_eq!(shown.codes("ADD n INT NOT NULL"), "", "the strategies refuse it");
}

#[test]
fn timestamps_get_defaults_that_nobody_wrote() {
    let off = || Sample::of(orders()).with("explicit_defaults_for_timestamp", "OFF");
    let cases = [
        ("ADD t TIMESTAMP", "timestamp-default"),
        ("ADD t TIMESTAMP NOT NULL", "timestamp-default"),
        ("ADD t TIMESTAMP NULL", ""),
        ("ADD t TIMESTAMP DEFAULT CURRENT_TIMESTAMP", ""),
        ("ADD t TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP(3)", ""),
        ("ADD t DATETIME", ""),
    ];
    for (clauses, found) in cases {
        assert_eq!(off().codes(clauses), found, "{clauses}");
    }
    let on = Sample::of(orders()).with("explicit_defaults_for_timestamp", "ON");
    assert_eq!(on.codes("ADD t TIMESTAMP"), "");
    let mut after = orders();
    after.columns.push(column("t", "timestamp DEFAULT current_timestamp()"));
    assert_eq!(Sample::of(orders()).shown(after).codes("ADD t TIMESTAMP"), "timestamp-default", "a server shows it");
}

#[test]
fn what_a_new_definition_leaves_out_is_lost() {
    let mut rich = orders();
    rich.columns[1].comment = "as on the invoice, which goes to the customer by mail".into();
    rich.columns[1].default = Some("'none'".into());
    rich.columns[1].invisible = true;
    rich.checks = vec![(Ident::new("name").unwrap(), "`name` <> ''".into())];
    let sample = || Sample::of(rich.clone());
    assert_eq!(
        sample().said("MODIFY name VARCHAR(200)"),
        "the new definition of `name` leaves out what the column has now: NOT NULL, DEFAULT 'none', INVISIBLE, CHECK \
         (`name` <> '') and COMMENT 'as on the invoice, which goes to the cus…'"
    );
    let whole = "VARCHAR(200) NOT NULL INVISIBLE DEFAULT 'other' CHECK (name <> 'x') COMMENT ''";
    assert_eq!(sample().codes(&format!("MODIFY name {whole}")), "", "each is mentioned, if only to go");
    assert_eq!(sample().codes("MODIFY name VARCHAR(9) NULL DEFAULT NULL VISIBLE CHECK (1) COMMENT 'b'"), "");
    assert_eq!(sample().codes("MODIFY id INT NOT NULL"), "attribute-lost", "AUTO_INCREMENT");
    assert_eq!(sample().codes("ALTER name DROP DEFAULT"), "", "asked for by name");
    let computed = "MODIFY name VARCHAR(9) AS (upper(code)) INVISIBLE CHECK (1) COMMENT ''";
    assert_eq!(sample().codes(computed), "", "a computed value has no default");
    assert_eq!(
        sample().codes("MODIFY name VARCHAR(9) NOT NULL INVISIBLE CHECK (1) COMMENT 'b'; ALTER name SET DEFAULT 'c'"),
        ""
    );

    let mut renewed = orders();
    renewed.columns[5].extra = "on update current_timestamp()".into();
    renewed.columns[5].default = Some("current_timestamp()".into());
    let said = Sample::of(renewed).said("MODIFY at TIMESTAMP NULL");
    assert!(said.ends_with("DEFAULT current_timestamp() and ON UPDATE CURRENT_TIMESTAMP()"), "{said}");

    let mut computed = orders();
    computed.columns[3].generated = Some(Generated::Stored);
    computed.columns[3].expression = Some("concat(`name`,'x')".into());
    let said = Sample::of(computed).said("MODIFY body TEXT CHARACTER SET latin1");
    assert!(said.ends_with("GENERATED ALWAYS AS (concat(`name`,'x'))"), "{said}");
}

#[test]
fn mysql_prints_defaults_without_quotes_and_has_no_checks_of_a_column() {
    let mut table = orders();
    table.columns[1].default = Some("none".into());
    table.checks = vec![(Ident::new("name").unwrap(), "(`name` <> '')".into())];
    let said = Sample::of(table).on(Flavour::MySql, Version::new(8, 4, 6)).said("MODIFY name VARCHAR(200) NOT NULL");
    assert!(said.ends_with("has now: DEFAULT 'none'"), "{said}");
}

#[test]
fn members_keep_their_numbers_at_the_end_only() {
    let cases = [
        ("MODIFY state ENUM('new','paid','sent') NOT NULL DEFAULT 'new'", ""),
        ("MODIFY state ENUM('new','held','paid') NOT NULL DEFAULT 'new'", "enum-order"),
        ("MODIFY state ENUM('paid','new') NOT NULL DEFAULT 'new'", "enum-order"),
        ("MODIFY state ENUM('paid') NOT NULL DEFAULT 'paid'", ""),
        ("MODIFY state VARCHAR(9) NOT NULL DEFAULT 'new'", ""),
    ];
    for (clauses, found) in cases {
        assert_eq!(Sample::of(orders()).codes(clauses), found, "{clauses}");
    }
}

#[test]
fn an_integer_near_its_end_is_found_in_the_altered_table() {
    //  next value       clauses                                           found
    let cases = [
        (1_717_986_918, "ADD note TEXT", "integer-range"),
        (1_600_000_000, "ADD note TEXT", ""),
        (1_900_000_000, "MODIFY id INT UNSIGNED NOT NULL AUTO_INCREMENT", ""),
        (1_900_000_000, "MODIFY id BIGINT NOT NULL AUTO_INCREMENT", ""),
        (60_000, "MODIFY id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT", "integer-range"),
        (u64::MAX, "MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT", ""),
    ];
    for (next, clauses, found) in cases {
        let mut sample = Sample::of(orders());
        sample.facts.load.auto_increment = Some(next);
        assert_eq!(sample.codes(clauses), found, "{next} {clauses}");
    }
}

#[test]
fn character_sets_do_not_change_unseen() {
    let convert = "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci";
    let bin = "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
    let cases = [
        ("MODIFY code CHAR(12) NOT NULL", "charset-converted", "gets the table's default"),
        ("MODIFY code CHAR(12) COLLATE latin1_bin NOT NULL", "", "is named"),
        ("MODIFY code INT NOT NULL", "", "has none afterwards"),
        (convert, "text-widened", "text grows"),
        (&format!("{convert}; MODIFY body TEXT CHARACTER SET utf8mb4"), "", "the type is named"),
        (&format!("{convert}; DROP body"), "", "it goes"),
        (bin, "text-widened unique-collation", "another collation in a unique key"),
        ("MODIFY name VARCHAR(100) COLLATE utf8mb4_bin NOT NULL", "unique-collation", "by hand"),
        ("DEFAULT CHARACTER SET latin1", "default-charset", "its columns stay"),
        ("DEFAULT CHARSET = latin1; COLLATE = latin1_bin", "default-charset", "told once"),
        ("DEFAULT CHARSET = latin1; CONVERT TO CHARACTER SET latin1", "", "they do not"),
        ("DEFAULT CHARACTER SET utf8mb4", "", "it is that already"),
        ("ADD a VARCHAR(9) CHARACTER SET utf8", "utf8mb3", "new"),
        ("ADD a VARCHAR(9) COLLATE utf8mb3_bin", "utf8mb3", "by its collation"),
        ("ADD a VARCHAR(9) CHARACTER SET utf8mb4", "", "all of it"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(Sample::of(orders()).codes(clauses), found, "{clauses}: {why}");
    }
    let whole = Sample::of(orders()).with("old_mode", "");
    assert_eq!(whole.codes("ADD a VARCHAR(9) CHARACTER SET utf8"), "", "old_mode takes it for utf8mb4");

    let mut old =
        Sample::of(table(&[("id", "int AUTO"), ("a", "varchar(9) utf8mb3_bin NULL")], &["PRIMARY primary id"]));
    old.facts.table.collation = "utf8mb3_general_ci".into();
    assert_eq!(old.codes("ADD b VARCHAR(9)"), "", "the table has it everywhere");
    assert_eq!(old.codes("MODIFY a VARCHAR(10) CHARACTER SET utf8 COLLATE utf8_bin"), "", "the column has it");
    assert_eq!(old.codes("CONVERT TO CHARACTER SET utf8mb4"), "", "from three bytes to four");
}

#[test]
fn collations_of_one_rule_are_equal_in_utf8_of_three_and_four_bytes() {
    let before =
        table(&[("id", "int AUTO"), ("a", "varchar(9) utf8mb3_general_ci")], &["PRIMARY primary id", "u unique a"]);
    let cases = [("utf8mb4_general_ci", ""), ("utf8mb4_unicode_ci", "unique-collation")];
    for (collation, found) in cases {
        let clauses = format!("CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}");
        assert_eq!(Sample::of(before.clone()).codes(&clauses), found, "{collation}");
    }
}

#[test]
fn reserved_words_are_those_of_the_family() {
    let mysql = |major, minor| Sample::of(orders()).on(Flavour::MySql, Version::new(major, minor, 0));
    let mariadb = || Sample::of(orders());
    assert_eq!(mariadb().codes("ADD `rank` INT"), "", "MySQL's only");
    assert_eq!(mysql(8, 0).codes("ADD `rank` INT"), "reserved-word");
    assert_eq!(mariadb().codes("ADD `Order` INT; ADD KEY `key` (state, code)"), "reserved-word reserved-word");
    assert_eq!(mariadb().codes("RENAME INDEX by_code TO `index`"), "reserved-word");
    assert_eq!(mariadb().codes("ADD KEY (`state`)"), "", "a name that nobody chose");
    assert_eq!(mariadb().codes("MODIFY name VARCHAR(120) NOT NULL"), "");
    let said = mysql(8, 0).said("ADD `manual` INT");
    assert!(said.contains("from MySQL 8.4 on") && said.contains("after the upgrade"), "{said}");
    assert!(mysql(8, 4).said("ADD `manual` INT").contains("is a reserved word of MySQL:"));
}

#[test]
fn names_that_old_code_knows() {
    let cases = [
        ("RENAME COLUMN body TO memo", "column-rename", "gone"),
        ("CHANGE body memo TEXT CHARACTER SET latin1", "column-rename", "gone"),
        ("CHANGE body BODY TEXT CHARACTER SET latin1", "", "case does not count"),
        ("RENAME COLUMN body TO name; RENAME COLUMN name TO body", "name-reused", "swapped, told once"),
        ("RENAME COLUMN body TO code; DROP code", "name-reused", "another takes its name"),
        ("RENAME COLUMN nothing TO memo", "", "refused elsewhere"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(Sample::of(orders()).codes(clauses), found, "{clauses}: {why}");
    }
}

#[test]
fn an_alter_that_a_server_refused_is_not_looked_at() {
    let mut sample = Sample::of(orders());
    sample.facts.dry_run = DryRun::Rejected { node: "n1".into(), code: 1064, message: "no".into() };
    assert_eq!(sample.codes("RENAME COLUMN body TO memo"), "");
}

#[test]
fn what_can_not_be_read_is_left_alone() {
    let odd = [
        "ADD",
        "ADD (",
        "ADD KEY",
        "ADD UNIQUE u (",
        "MODIFY name",
        "ADD x",
        "ADD KEY k (name(3) DESC, (upper(name)))",
    ];
    for clauses in odd {
        let text = crate::alter::Clause { text: clauses.into(), kind: crate::alter::ClauseKind::AddKey };
        let alter = crate::Alter { table: None, clauses: vec![text], hints: Vec::new(), ignore: false };
        let sample = Sample::of(orders());
        assert_eq!(super::find(&sample.facts, &alter, &crate::Options::default()).found, [], "{clauses}");
    }
}

mod any_text {
    use proptest::prelude::*;

    use super::*;
    use crate::alter::{Alter, Clause, ClauseKind};

    proptest! {
        /// Whatever a clause says and whatever it is taken for, the lint comes to an end.
        #[test]
        fn is_read_to_its_end(
            text in "(ADD|MODIFY|CHANGE|ALTER|CONVERT TO|RENAME INDEX|DEFAULT|UNIQUE|KEY|[a-c`'\"(),.=\\\\ -]|INT|ENUM|CHARACTER SET| ){0,24}",
            kind in 0_usize..6,
        ) {
            let name = Ident::new("name").unwrap();
            let kinds = [
                ClauseKind::AddColumn { names: vec![name.clone()] },
                ClauseKind::ModifyColumn { name: name.clone() },
                ClauseKind::ChangeColumn { from: name.clone(), to: Ident::new("a").unwrap() },
                ClauseKind::AddUnique,
                ClauseKind::ConvertCharset,
                ClauseKind::TableOption,
            ];
            let clauses = vec![Clause { text, kind: kinds[kind].clone() }];
            let alter = Alter { table: None, clauses, hints: Vec::new(), ignore: false };
            let sample = Sample::of(orders());
            let _lints = super::super::find(&sample.facts, &alter, &crate::Options::default());
        }
    }
}
