//! Lints of keys, and what is allowed.

use crate::choose::Options;
use crate::facts::Topology;
use crate::name::Ident;
use crate::sample::{key, table};
use crate::shape::{ForeignKey, KeyKind, TableShape};
use crate::verdict::ReasonCode as Code;

use super::sample::{Sample, alter};
use super::{code, find};

fn ident(name: &str) -> Ident {
    Ident::new(name).unwrap()
}

fn visits() -> TableShape {
    table(
        &[
            ("id", "bigint(20) unsigned AUTO"),
            ("a", "int(11)"),
            ("b", "int(11) NULL DEFAULT NULL"),
            ("c", "varchar(500) utf8mb4_general_ci"),
            ("d", "text utf8mb4_general_ci NULL"),
        ],
        &["PRIMARY primary id", "ab plain a b", "uc unique c(20)"],
    )
}

fn foreign_key(column: &str) -> ForeignKey {
    ForeignKey {
        name: ident("fk"),
        schema: ident("shop"),
        table: ident("orders"),
        columns: vec![ident(column)],
        parent_schema: ident("shop"),
        parent_table: ident("people"),
        parent_columns: vec![ident("id")],
        on_delete: "RESTRICT".into(),
        on_update: "RESTRICT".into(),
    }
}

#[test]
fn keys_that_do_what_others_do() {
    //  clauses                                              found                         why
    let cases = [
        ("ADD KEY x (a, b)", "duplicate-key", "the same columns"),
        ("ADD KEY x (a)", "redundant-key", "the beginning of ab"),
        ("ADD KEY x (a, b, c(9))", "redundant-key", "makes ab useless"),
        ("ADD KEY x (a, b, c(9)); DROP INDEX ab", "", "ab goes"),
        ("DROP INDEX ab; ADD KEY ab (a, b, c(9))", "", "ab is replaced"),
        ("ADD UNIQUE x (a)", "", "forbids what ab does not; ab stays the longer one"),
        ("ADD KEY x (b, a)", "", "another order"),
        ("ADD KEY x (a DESC)", "", "another direction"),
        ("ADD KEY x (c(10))", "", "another prefix"),
        ("ADD KEY x (id)", "duplicate-key", "the primary key"),
        ("ADD KEY x (id, a)", "", "begins with a unique key, which is needed"),
        ("ADD KEY x (c); ADD KEY y (c, a)", "redundant-key", "two new ones, told once"),
        ("ADD FULLTEXT x (d)", "", "another kind"),
        ("ADD FULLTEXT x (d); ADD FULLTEXT y (d)", "duplicate-key", "of one kind"),
        ("ADD KEY x (a, b) INVISIBLE", "", "a trial"),
        ("RENAME INDEX ab TO x", "", "not new"),
        ("ADD KEY uc (a, b, c(9)); DROP INDEX uc", "redundant-key", "the name of one that goes"),
        ("ADD n INT UNIQUE; ADD KEY x (n)", "duplicate-key", "a key that a column brings"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(Sample::of(visits()).codes(clauses), found, "{clauses}: {why}");
    }
}

#[test]
fn the_finding_names_both_keys() {
    let sample = Sample::of(visits());
    assert_eq!(
        sample.said("ADD KEY x (a, b, c(9))"),
        "key `x` (`a`, `b`, `c`(9)) begins with the columns of key `ab` (`a`, `b`), which is not needed then"
    );
    assert_eq!(
        sample.said("ADD KEY x (id)"),
        "key `x` (`id`) has the same columns as the primary key (`id`): every write keeps both"
    );
}

#[test]
fn a_key_without_a_name_is_not_taken_for_another() {
    let mut table = visits();
    table.keys.push(key("a plain b"));
    assert_eq!(Sample::of(table).codes("ADD KEY (a)"), "redundant-key", "it becomes a_2");
}

#[test]
fn nulls_do_not_collide() {
    let cases = [
        ("ADD UNIQUE u (c, b)", "nullable-unique", "b may be NULL"),
        ("ADD UNIQUE u (b)", "", "unique where it is set"),
        ("ADD UNIQUE u (a, c)", "", "none may be NULL"),
        ("ADD UNIQUE u (c, b); MODIFY b INT NOT NULL", "", "nor may b any more"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(Sample::of(visits()).codes(clauses), found, "{clauses}: {why}");
    }
}

#[test]
fn keys_have_a_length() {
    let sample = || Sample::of(visits());
    //  clauses                                                          found            why
    let cases = [
        ("ADD KEY x (c)", "", "2,000 bytes"),
        ("ADD w VARCHAR(768); ADD KEY x (w)", "", "3,072 bytes"),
        ("ADD w VARCHAR(769); ADD KEY x (w)", "key-too-long", "3,076 bytes"),
        ("ADD w VARCHAR(769) CHARACTER SET latin1; ADD KEY x (w)", "", "one byte a character"),
        ("ADD w VARCHAR(769); ADD KEY x (w(100))", "", "a prefix"),
        ("ADD w VARCHAR(300); ADD KEY x (c, w)", "key-too-long", "together"),
        ("ADD w VARCHAR(769); ADD UNIQUE x (w) USING HASH", "", "asked for"),
        ("MODIFY c VARCHAR(900) NOT NULL", "", "its key has a prefix"),
        ("ADD KEY x (d)", "", "the server says so itself"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(sample().codes(clauses), found, "{clauses}: {why}");
    }
    assert_eq!(sample().with("innodb_page_size", "8192").codes("ADD KEY x (c)"), "key-too-long");
    let mut old = sample();
    old.facts.table.row_format = "Compact".into();
    assert_eq!(old.codes("ADD KEY x (c)"), "key-too-long");
}

#[test]
fn a_server_shows_what_it_made_of_a_key() {
    let mut after = visits();
    after.keys.push(key("x plain c(400)"));
    let said = Sample::of(visits()).shown(after.clone()).said("ADD KEY x (c)");
    assert!(said.contains("key `x` is too long: the server keeps only the first 400 characters of `c`"), "{said}");
    assert_eq!(Sample::of(visits()).shown(after.clone()).codes("ADD KEY x (c(400))"), "", "as asked for");
    let mut kept = visits();
    kept.keys.push(key("c plain c(9)"));
    let mut both = kept.clone();
    both.keys.push(key("c_2 plain c a"));
    assert_eq!(Sample::of(kept).shown(both).codes("ADD KEY (c, a)"), "", "a key that was cut before");
    after.keys.retain(|key| key.name.as_str() != "x");
    after.keys.push(key("x hash c"));
    assert_eq!(Sample::of(visits()).shown(after.clone()).codes("ADD UNIQUE x (c)"), "key-too-long");
    assert_eq!(Sample::of(visits()).shown(after.clone()).codes("ADD UNIQUE x (c) USING HASH"), "", "as asked for");
    assert_eq!(after.keys.last().map(|key| key.kind), Some(KeyKind::UniqueHash));
}

#[test]
fn a_table_keeps_a_primary_key() {
    let mut sample = Sample::of(visits());
    assert_eq!(
        sample.codes("DROP PRIMARY KEY; MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE"),
        "no-primary-key"
    );
    assert_eq!(sample.codes("DROP PRIMARY KEY; ADD PRIMARY KEY (id, a)"), "");
    sample.facts.topology = Topology::Galera { uuid: "u".into(), epoch: 1, size: 3, arbitrators: 0 };
    assert!(sample.said("DROP PRIMARY KEY; ADD UNIQUE u (id)").contains("Galera"), "on a cluster it bites otherwise");
    sample.facts.table.keys.remove(0);
    assert_eq!(sample.codes("ADD note INT"), "", "it had none before");
}

#[test]
fn foreign_keys_keep_index_and_type() {
    let mut sample = Sample::of(visits());
    sample.facts.table.foreign_keys = vec![foreign_key("a")];
    let cases = [
        ("DROP INDEX ab", "foreign-key-index", "nothing begins with a"),
        ("DROP INDEX ab; ADD KEY x (a)", "", "another serves"),
        ("DROP INDEX ab; DROP FOREIGN KEY fk", "", "it goes too"),
        ("MODIFY a BIGINT NOT NULL", "foreign-key-column", "another size"),
        ("MODIFY a INT UNSIGNED NOT NULL", "foreign-key-column", "another sign"),
        ("MODIFY a INT NOT NULL COMMENT 'x'", "", "the same"),
        ("MODIFY a BIGINT NOT NULL; DROP FOREIGN KEY fk", "", "it goes"),
        ("MODIFY b BIGINT NULL", "", "not its column"),
    ];
    for (clauses, found, why) in cases {
        assert_eq!(sample.codes(clauses), found, "{clauses}: {why}");
    }
    sample.facts.table.foreign_keys = vec![foreign_key("c")];
    sample.facts.table.keys.push(key("c plain c"));
    assert_eq!(
        sample.codes("MODIFY c VARCHAR(400) COLLATE utf8mb4_bin NOT NULL"),
        "unique-collation foreign-key-column"
    );
    assert_eq!(sample.codes("MODIFY c VARCHAR(300) NOT NULL"), "", "lengths may differ");
    let itself = ForeignKey { parent_table: ident("orders"), ..foreign_key("a") };
    sample.facts.table.foreign_keys = vec![itself];
    assert_eq!(sample.codes("MODIFY a BIGINT NOT NULL; MODIFY id BIGINT NOT NULL AUTO_INCREMENT"), "", "of itself");
}

#[test]
fn what_is_allowed_is_counted_and_what_is_idle_is_told() {
    let sample = Sample::of(visits());
    let allow = vec![Code::LintRedundantKey, Code::LintColumnRename];
    let wishes = Options { allow, ..Options::default() };
    let lints = find(&sample.facts, &alter("ADD KEY x (a); ADD KEY y (id)"), &wishes);
    let codes = |reasons: &[crate::Reason]| reasons.iter().map(|reason| reason.code).collect::<Vec<_>>();
    assert_eq!(codes(&lints.found), [Code::LintDuplicateKey]);
    assert_eq!(codes(&lints.allowed), [Code::LintRedundantKey]);
    assert_eq!(codes(&lints.idle), [Code::IdlePermission]);
    assert!(lints.idle[0].what.starts_with("lint-column-rename is allowed"), "{}", lints.idle[0].what);
}

#[test]
fn codes_are_known_by_name() {
    assert_eq!(code("lint-column-rename"), Ok(Code::LintColumnRename));
    assert_eq!(code("disk-space"), Ok(Code::DiskSpace));
    for unknown in ["lint-nothing", "drop-and-add", "", "column-rename"] {
        let error = code(unknown).unwrap_err();
        assert!(error.starts_with(&format!("no lint is called '{unknown}'; there are ")), "{error}");
        assert!(error.contains("lint-implicit-default, "), "{error}");
        assert!(!error.contains("drop-and-add,"), "only what may be allowed so: {error}");
    }
}
