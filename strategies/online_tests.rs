//! Which algorithm does for which change: by tables of cases.

use crate::alter::{Alter, Clause, ClauseKind};
use crate::facts::{Flavour, Version};
use crate::online::{
    Algorithm::{self, Copy, Inplace, Instant, Nocopy},
    Effort, constant_default, fastest,
};
use crate::sample::{column, ident, key, table};
use crate::shape::{Generated, KeyKind, TableShape};

const COLUMNS: [(&str, &str); 6] = [
    ("id", "int"),
    ("a", "int NULL DEFAULT NULL"),
    ("b", "varchar(50) utf8mb4_general_ci NULL DEFAULT NULL"),
    ("c", "varchar(100) utf8mb4_general_ci NULL DEFAULT NULL"),
    ("e", "enum('x','y') utf8mb4_general_ci NULL DEFAULT NULL"),
    ("s", "set('x','y') utf8mb4_general_ci NULL DEFAULT NULL"),
];

fn source() -> TableShape {
    table(&COLUMNS, &["PRIMARY primary id", "ka plain a", "kc plain c"])
}

fn alter(kinds: Vec<ClauseKind>) -> Alter {
    let clauses = kinds.into_iter().map(|kind| Clause { text: "…".into(), kind }).collect();
    Alter { table: None, clauses, hints: Vec::new(), ignore: false }
}

fn add(name: &str) -> ClauseKind {
    ClauseKind::AddColumn { names: vec![ident(name)] }
}

fn modify(name: &str) -> ClauseKind {
    ClauseKind::ModifyColumn { name: ident(name) }
}

type Edit = fn(&mut TableShape);

struct Case {
    edit: Edit,
    kinds: Vec<ClauseKind>,
    /// MariaDB 10.3.39, 10.4.34, 10.11.19; MySQL 8.0.11, 8.0.28, 8.0.36.
    expected: [Algorithm; 6],
    why: &'static str,
}

const VERSIONS: [(Flavour, Version); 6] = [
    (Flavour::MariaDb, Version::new(10, 3, 39)),
    (Flavour::MariaDb, Version::new(10, 4, 34)),
    (Flavour::MariaDb, Version::new(10, 11, 19)),
    (Flavour::MySql, Version::new(8, 0, 11)),
    (Flavour::MySql, Version::new(8, 0, 28)),
    (Flavour::MySql, Version::new(8, 0, 36)),
];

fn judged(case: &Case) -> [Algorithm; 6] {
    let mut target = source();
    (case.edit)(&mut target);
    let alter = alter(case.kinds.clone());
    VERSIONS.map(|(flavour, version)| fastest((flavour, version, None), &source(), &target, &alter).algorithm)
}

fn on_columns() -> Vec<Case> {
    let last: Edit = |table| table.columns.push(column("z", "int NULL"));
    let case = |edit: Edit, kinds, expected, why| Case { edit, kinds, expected, why };
    vec![
        case(last, vec![add("z")], [Instant, Instant, Instant, Inplace, Instant, Inplace], "a last column"),
        case(
            |table| table.columns.insert(1, column("z", "int NULL")),
            vec![add("z")],
            [Inplace, Instant, Instant, Inplace, Inplace, Inplace],
            "a column in between",
        ),
        case(
            |table| table.columns.push(column("z", "char(36) latin1_bin DEFAULT uuid()")),
            vec![add("z")],
            // MySQL marks such a default, which this one is not.
            [Copy, Copy, Copy, Inplace, Instant, Inplace],
            "values that each row and node would make by itself",
        ),
        case(
            |table| drop(table.columns.remove(5)),
            vec![ClauseKind::DropColumn { name: ident("s") }],
            [Inplace, Instant, Instant, Inplace, Inplace, Inplace],
            "a column goes",
        ),
        case(
            |table| drop(table.columns.remove(1)),
            vec![ClauseKind::DropColumn { name: ident("a") }],
            [Inplace; 6],
            "with it an index",
        ),
        case(
            |table| table.columns[2].name = ident("bb"),
            vec![ClauseKind::RenameColumn { from: ident("b"), to: ident("bb") }],
            [Inplace, Instant, Instant, Inplace, Instant, Instant],
            "another name",
        ),
        case(
            |table| table.columns[1].default = Some("5".into()),
            vec![ClauseKind::AlterColumn { name: ident("a") }],
            [Inplace, Instant, Instant, Inplace, Instant, Instant],
            "another default",
        ),
        case(
            |table| table.columns.swap(1, 2),
            vec![modify("b")],
            [Inplace, Instant, Instant, Inplace, Inplace, Inplace],
            "another place",
        ),
        case(|table| table.columns[0].nullable = true, vec![modify("id")], [Inplace; 6], "NULLs are allowed"),
        case(
            |table| table.columns[1].comment = "x".into(),
            vec![modify("a")],
            [Copy, Instant, Instant, Copy, Copy, Copy],
            "a comment",
        ),
        case(
            |table| table.columns[1].invisible = true,
            vec![modify("a")],
            [Copy, Copy, Instant, Copy, Copy, Copy],
            "invisible",
        ),
        case(|table| table.columns[1].extra = "on update x".into(), vec![modify("a")], [Copy; 6], "not known"),
    ]
}

fn on_types() -> Vec<Case> {
    let case = |edit: Edit, name, expected, why| Case { edit, kinds: vec![modify(name)], expected, why };
    vec![
        case(
            |table| table.columns[2].column_type = "varchar(63)".into(),
            "b",
            [Copy, Instant, Instant, Inplace, Inplace, Inplace],
            "252 bytes still have one byte of length",
        ),
        case(|table| table.columns[2].column_type = "varchar(64)".into(), "b", [Copy; 6], "256 bytes have two"),
        case(|table| table.columns[2].column_type = "varchar(40)".into(), "b", [Copy; 6], "shorter"),
        case(
            |table| table.columns[3].column_type = "varchar(200)".into(),
            "c",
            [Copy, Inplace, Inplace, Inplace, Inplace, Inplace],
            "longer, and indexed",
        ),
        case(|table| table.columns[2].collation = Some("utf8mb4_bin".into()), "b", [Copy; 6], "another collation"),
        case(
            |table| table.columns[4].column_type = "enum('x','y','z')".into(),
            "e",
            [Copy, Instant, Instant, Copy, Instant, Instant],
            "a member at the end",
        ),
        case(|table| table.columns[4].column_type = "enum('y','x')".into(), "e", [Copy; 6], "members in another order"),
        case(
            |table| table.columns[5].column_type = "set('x','y','3','4','5','6','7','8')".into(),
            "s",
            [Copy, Instant, Instant, Copy, Instant, Instant],
            "eight members are one byte",
        ),
        case(
            |table| table.columns[5].column_type = "set('x','y','3','4','5','6','7','8','9')".into(),
            "s",
            [Copy; 6],
            "nine are two",
        ),
        case(|table| table.columns[1].column_type = "bigint".into(), "a", [Copy; 6], "another type"),
    ]
}

fn on_keys() -> Vec<Case> {
    let none: Edit = |_| {};
    let index = [Nocopy, Nocopy, Nocopy, Inplace, Inplace, Inplace];
    let case = |kinds, expected, why| Case { edit: none, kinds, expected, why };
    let drop = || ClauseKind::DropKey { name: ident("ka") };
    vec![
        case(vec![ClauseKind::AddKey], index, "an index is built"),
        case(vec![drop()], index, "an index goes"),
        case(vec![ClauseKind::RenameKey], [Nocopy, Nocopy, Instant, Inplace, Inplace, Inplace], "an index is renamed"),
        case(vec![ClauseKind::AlterKey], [Nocopy, Nocopy, Instant, Inplace, Inplace, Inplace], "an index is ignored"),
        case(vec![ClauseKind::AddKey, drop()], index, "both"),
        case(
            vec![ClauseKind::AddKey, ClauseKind::DropColumn { name: ident("s") }],
            [Inplace; 6],
            "a new key and a column together rebuild the table",
        ),
        case(vec![ClauseKind::Force], [Copy; 6], "anything else"),
        case(vec![ClauseKind::Unknown], [Copy; 6], "not known"),
        case(vec![ClauseKind::TableOption], [Copy; 6], "may be anything"),
    ]
}

#[test]
fn every_change_has_its_algorithm() {
    for case in on_columns().into_iter().chain(on_types()).chain(on_keys()) {
        assert_eq!(judged(&case), case.expected, "{}", case.why);
    }
}

#[test]
fn columns_come_and_go_at_once_while_there_is_room_for_row_versions() {
    let drop = |table: &mut TableShape| drop(table.columns.pop());
    let first = |table: &mut TableShape| table.columns.insert(0, column("z", "int NULL"));
    //  version  row versions  algorithm  why
    let cases = [
        ((8, 0, 28), None, Inplace, "no row versions yet"),
        ((8, 0, 31), Some(0), Inplace, "unsound"),
        ((8, 0, 32), Some(0), Instant, "the first sound one"),
        ((8, 0, 32), None, Inplace, "nobody knows how many"),
        ((8, 4, 5), Some(63), Instant, "one is left"),
        ((8, 4, 5), Some(64), Inplace, "none is left"),
        ((9, 0, 1), Some(64), Inplace, "none is left"),
        ((9, 1, 0), Some(254), Instant, "more are allowed, one is left"),
        ((9, 7, 4), Some(255), Inplace, "none is left"),
    ];
    for ((major, minor, patch), versions, expected, why) in cases {
        let edits: [(Edit, ClauseKind); 2] = [(drop, ClauseKind::DropColumn { name: ident("s") }), (first, add("z"))];
        for (edit, kind) in edits {
            let mut target = source();
            edit(&mut target);
            let server = (Flavour::MySql, Version::new(major, minor, patch), versions);
            let found = fastest(server, &source(), &target, &alter(vec![kind]));
            assert_eq!(found.algorithm, expected, "{server:?}: {why}");
        }
    }
}

#[test]
fn what_goes_through_no_rows() {
    let none: Edit = |_| {};
    let longer: Edit = |table| table.columns[2].column_type = "varchar(60)".into();
    let cases = [
        (none, vec![ClauseKind::DropKey { name: ident("ka") }], Effort::Dictionary),
        (none, vec![ClauseKind::RenameKey, ClauseKind::AlterKey], Effort::Dictionary),
        (none, vec![ClauseKind::DropKey { name: ident("ka") }, ClauseKind::AddKey], Effort::Rows),
        (longer, vec![modify("b")], Effort::Dictionary),
        (|table| table.columns.swap(1, 2), vec![modify("b")], Effort::Rows),
        (|table| table.columns[0].nullable = true, vec![modify("id")], Effort::Rows),
    ];
    for (edit, kinds, effort) in cases {
        let mut target = source();
        edit(&mut target);
        let server = (Flavour::MySql, Version::new(8, 4, 5), Some(0));
        let found = fastest(server, &source(), &target, &alter(kinds.clone()));
        assert_eq!(found.effort, effort, "{kinds:?}: {found:?}");
    }
}

#[test]
fn nothing_is_believed_of_special_tables() {
    let cases: [(Edit, &str); 9] = [
        (|table| table.row_format = "Compressed".into(), "COMPRESSED"),
        (|table| table.options = "`PAGE_COMPRESSED`=1".into(), "compressed"),
        (|table| table.partitions.push("p0".into()), "partitioned"),
        (|table| table.table_type = "SYSTEM VERSIONED".into(), "special kind"),
        (|table| table.keys[1].kind = KeyKind::Fulltext, "FULLTEXT"),
        (|table| table.keys[1].kind = KeyKind::Spatial, "SPATIAL"),
        (|table| table.keys[1].kind = KeyKind::UniqueHash, "hash"),
        (|table| table.columns[1].generated = Some(Generated::Virtual), "generated"),
        (|table| table.keys.push(key("f plain =(a+1)")), "expression"),
    ];
    for (edit, why) in cases {
        let mut source = source();
        edit(&mut source);
        let mut target = source.clone();
        target.columns.push(column("z", "int NULL"));
        let found =
            fastest((Flavour::MariaDb, Version::new(10, 11, 19), None), &source, &target, &alter(vec![add("z")]));
        assert!(found.algorithm == Copy && found.because.as_ref().unwrap().contains(why), "{why}: {found:?}");
    }
}

#[test]
fn defaults_that_are_the_same_everywhere() {
    let cases = [
        ("NULL", true),
        ("5", true),
        ("-1.50", true),
        ("'a'", true),
        ("'it''s'", true),
        (r"'it\'s'", true),
        ("current_timestamp()", false),
        ("uuid()", false),
        ("'a' + 'b'", false),
        ("5 + rand()", false),
        ("", false),
    ];
    for (default, constant) in cases {
        let column = column("z", &format!("int DEFAULT {default}"));
        assert_eq!(constant_default(&column, Flavour::MariaDb), constant, "{default}");
    }
    let mut marked = column("z", "int DEFAULT uuid()");
    marked.extra = "default_generated".into();
    assert!(!constant_default(&marked, Flavour::MySql));
}
