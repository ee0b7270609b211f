//! The classes of conversions, by a table and by laws; `tests/convert_cluster.rs` tries them on a server.

use super::*;
use crate::sample::column;

use Compare::{Bytes, DateTime, Double, Exact, Text, Time};

const SILENT: Conversion = Conversion::lossy("");

fn check(cases: &[(&str, &str, Conversion)]) {
    for (from, to, expected) in cases {
        let got = conversion(&column("a", from), &column("a", to));
        let alike =
            got == *expected || matches!((&got, expected), (Conversion::Silent { .. }, Conversion::Silent { .. }));
        assert!(alike, "{from} to {to}: {got:?}, not {expected:?}");
    }
}

#[test]
fn numbers_and_times() {
    //  from                     to                      class
    check(&[
        ("int(11)", "int", Conversion::Same),
        ("int", "bigint", Conversion::Widens(Exact)),
        ("int unsigned", "int", Conversion::Checked(Exact)),
        ("int unsigned", "bigint", Conversion::Widens(Exact)),
        ("tinyint unsigned", "smallint", Conversion::Widens(Exact)),
        ("int", "bigint unsigned", Conversion::Checked(Exact)),
        ("int(6) unsigned zerofill", "int unsigned", Conversion::Widens(Exact)),
        ("int", "int NULL", Conversion::Widens(Compare::Same)),
        ("int NULL", "int", Conversion::Checked(Compare::Same)),
        ("int NULL", "bigint", Conversion::Checked(Exact)),
        ("int NULL", "int AUTO", SILENT),
        ("timestamp NULL", "timestamp", SILENT),
        ("int", "decimal(10,0)", Conversion::Widens(Exact)),
        ("int", "decimal(10,1)", Conversion::Checked(Exact)),
        ("bigint unsigned", "decimal(20,0)", Conversion::Widens(Exact)),
        ("bigint", "double", SILENT),
        ("int", "double", Conversion::Widens(Double)),
        ("smallint", "float", Conversion::Widens(Double)),
        ("mediumint", "float", SILENT),
        ("int", "varchar(11) utf8mb4_bin", Conversion::Widens(Text)),
        ("int", "varchar(10) utf8mb4_bin", Conversion::Checked(Text)),
        ("int(6) unsigned zerofill", "varchar(20) utf8mb4_bin", SILENT),
        ("int unsigned", "bit(32)", Conversion::Widens(Exact)),
        ("bigint", "bit(64)", SILENT),
        ("decimal(10,2)", "decimal(12,4)", Conversion::Widens(Exact)),
        ("decimal(10,2)", "decimal(11,4)", Conversion::Checked(Exact)),
        ("decimal(10,2)", "decimal(12,1)", SILENT),
        ("decimal(40,2)", "decimal(42,2)", Conversion::Widens(Text)),
        ("decimal(40,2)", "decimal(44,4)", SILENT),
        ("decimal(9,0)", "int", Conversion::Widens(Exact)),
        ("decimal(10,0)", "int", Conversion::Checked(Exact)),
        ("decimal(9,2)", "int", SILENT),
        ("decimal(15,3)", "double", Conversion::Widens(Double)),
        ("decimal(16,3)", "double", SILENT),
        ("decimal(5,5)", "varchar(8) latin1_bin", Conversion::Widens(Text)),
        ("float", "double", Conversion::Widens(Double)),
        ("double", "float", SILENT),
        ("bit(8)", "bit(16)", Conversion::Widens(Exact)),
        ("bit(64)", "bigint", Conversion::Checked(Exact)),
        ("year(4)", "smallint", Conversion::Widens(Exact)),
        ("year(4)", "varchar(4) latin1_bin", SILENT),
        ("date", "datetime(3)", Conversion::Widens(DateTime)),
        ("datetime", "date", SILENT),
        ("datetime(3)", "datetime(6)", Conversion::Widens(DateTime)),
        ("datetime(6)", "datetime(3)", SILENT),
        ("time", "time(6)", Conversion::Widens(Time)),
    ]);
}

#[test]
fn texts_bytes_and_members() {
    //  from                     to                      class
    check(&[
        ("varchar(10) latin1_bin", "varchar(20) latin1_swedish_ci", Conversion::Widens(Compare::Same)),
        ("varchar(10) latin1_bin", "varchar(10) latin1_swedish_ci", Conversion::Same),
        ("varchar(10) utf8mb4_bin", "varchar(5) utf8mb4_bin", Conversion::Checked(Compare::Same)),
        ("varchar(10) latin1_bin", "varchar(10) utf8mb4_bin", Conversion::Widens(Text)),
        ("varchar(10) utf8mb4_bin", "varchar(10) latin1_bin", Conversion::Checked(Text)),
        ("varchar(10) utf8mb4_bin", "char(10) utf8mb4_bin", SILENT),
        ("char(10) utf8mb4_bin", "varchar(10) utf8mb4_bin", Conversion::Widens(Compare::Same)),
        ("text latin1_bin", "mediumtext latin1_bin", Conversion::Widens(Compare::Same)),
        ("mediumtext latin1_bin", "text latin1_bin", SILENT),
        ("text latin1_bin", "text utf8mb4_bin", Conversion::Checked(Text)),
        ("text latin1_bin", "mediumtext utf8mb4_bin", Conversion::Widens(Text)),
        ("varchar(100) utf8mb4_bin", "tinytext utf8mb4_bin", SILENT),
        ("varchar(100) utf8mb4_bin", "varbinary(400)", Conversion::Widens(Bytes)),
        ("binary(4)", "varbinary(4)", Conversion::Widens(Bytes)),
        ("varbinary(4)", "binary(4)", SILENT),
        ("binary(4)", "binary(8)", SILENT),
        ("varbinary(8)", "varchar(8) utf8mb4_bin", Conversion::Checked(Bytes)),
        ("enum('a','b') latin1_bin", "enum('a','b','c') latin1_bin", Conversion::Widens(Text)),
        ("enum('a','b') latin1_bin", "enum('b','a') latin1_bin", Conversion::Widens(Text)),
        ("enum('a','b') latin1_bin", "enum('a','c') latin1_bin", Conversion::Checked(Text)),
        ("enum('a','b') latin1_bin", "enum('A','b') latin1_bin", SILENT),
        ("enum('2','x','y') latin1_bin", "enum('x','y') latin1_bin", SILENT),
        ("enum('a','bb') latin1_bin", "varchar(2) latin1_bin", Conversion::Widens(Text)),
        ("set('a','b') latin1_bin", "set('a','x','b') latin1_bin", Conversion::Widens(Text)),
        ("set('a','b') latin1_bin", "set('b','a') latin1_bin", SILENT),
        ("set('a','b') latin1_bin", "varchar(3) latin1_bin", Conversion::Checked(Text)),
        ("uuid", "binary(16)", Conversion::Widens(Bytes)),
        ("uuid", "char(36) latin1_bin", Conversion::Widens(Text)),
        ("inet4", "inet6", SILENT),
        ("point", "geometry", Conversion::Widens(Bytes)),
        ("geometry", "point", Conversion::Checked(Bytes)),
        ("json", "longtext utf8mb4_bin", Conversion::Widens(Text)),
        ("longtext utf8mb4_bin", "json", SILENT),
        ("vector(3)", "vector(3)", Conversion::Same),
        ("vector(3)", "vector(4)", SILENT),
        ("varchar(10) latin1_bin", "int", SILENT),
    ]);
}

#[test]
fn time_zones_have_a_code_of_their_own() {
    for (from, to) in [("timestamp", "datetime"), ("datetime", "timestamp"), ("timestamp", "varchar(30) latin1_bin")] {
        let got = conversion(&column("a", from), &column("a", to));
        assert!(
            matches!(got, Conversion::Silent { code: ReasonCode::TimeZoneConversion, .. }),
            "{from} to {to}: {got:?}"
        );
    }
}

mod any_type {
    use proptest::prelude::*;

    use super::*;

    /// Any type that servers print, and some that they don't.
    fn definition() -> impl Strategy<Value = String> {
        let number = prop::sample::select(vec!["tinyint", "smallint", "mediumint", "int", "bigint"]);
        let sign = prop::sample::select(vec!["", " unsigned", " unsigned zerofill"]);
        let text = prop::sample::select(vec!["tinytext", "text", "mediumtext", "longtext"]);
        let set =
            prop::sample::select(vec!["latin1_bin", "utf8mb4_bin", "utf8mb4_general_ci", "greek_bin", "ucs2_bin"]);
        let simple =
            vec!["float", "double", "double(7,3)", "year(4)", "date", "uuid", "inet4", "inet6", "json", "point"];
        let timed = prop::sample::select(vec!["datetime", "timestamp", "time"]);
        let sized = prop::sample::select(vec!["bit", "binary", "varbinary"]);
        let members = prop::collection::hash_set("[a-zA-Z0-9]{1,3}", 1..4);
        prop_oneof![
            (number, 1_u32..12, sign).prop_map(|(name, width, sign)| format!("{name}({width}){sign}")),
            (1_u32..66, 0_u32..31).prop_map(|(digits, scale)| format!("decimal({digits},{})", scale.min(digits))),
            (text, set.clone()).prop_map(|(name, set)| format!("{name} {set}")),
            (prop::sample::select(vec!["char", "varchar"]), 0_u32..300, set.clone())
                .prop_map(|(name, chars, set)| format!("{name}({chars}) {set}")),
            (timed, 0_u32..7).prop_map(|(name, fraction)| format!("{name}({fraction})")),
            (sized, 1_u32..65).prop_map(|(name, size)| format!("{name}({size})")),
            (prop::sample::select(vec!["enum", "set"]), members, set).prop_map(|(name, members, set)| {
                let members: Vec<_> = members.iter().map(|member| format!("'{member}'")).collect();
                format!("{name}({}) {set}", members.join(","))
            }),
            prop::sample::select(simple).prop_map(str::to_owned),
            "[a-z]{1,8}(\\([0-9,']{0,6}\\))?",
        ]
    }

    proptest! {
        #[test]
        fn to_itself_is_the_same(definition in definition()) {
            let column = column("a", &definition);
            prop_assert_eq!(conversion(&column, &column), Conversion::Same);
        }

        /// NULLs only ever make it worse.
        #[test]
        fn nulls_never_make_it_safer(one in definition(), two in definition()) {
            let (from, to) = (column("a", &one), column("a", &two));
            let nullable = Column { nullable: true, ..from.clone() };
            prop_assert!(!conversion(&nullable, &to).keeps_all());
            let plain = conversion(&from, &to);
            prop_assert_eq!(conversion(&from, &Column { nullable: true, ..to.clone() }).keeps_all(), plain.keeps_all());
        }

        #[test]
        fn integers_by_their_values(
            from in prop::sample::select(vec!["tinyint", "smallint", "mediumint", "int", "bigint"]),
            to in prop::sample::select(vec!["tinyint", "smallint", "mediumint", "int", "bigint"]),
            signs in any::<(bool, bool)>(),
        ) {
            let written = |name: &str, unsigned: bool| format!("{name}{}", if unsigned { " unsigned" } else { "" });
            let range = |name: &str, unsigned: bool| -> (i128, i128) {
                let (low, high) = match name {
                    "tinyint" => (-128, 127),
                    "smallint" => (-32_768, 32_767),
                    "mediumint" => (-8_388_608, 8_388_607),
                    "int" => (-2_147_483_648, 2_147_483_647),
                    _ => (-9_223_372_036_854_775_808, 9_223_372_036_854_775_807),
                };
                if unsigned { (0, high - low) } else { (low, high) }
            };
            let (old, new) = (range(from, signs.0), range(to, signs.1));
            let got = conversion(&column("a", &written(from, signs.0)), &column("a", &written(to, signs.1)));
            prop_assert_eq!(got.keeps_all(), new.0 <= old.0 && old.1 <= new.1);
        }
    }
}
