//! Every case of `testdata/plan`: facts, an alter and options in, the decision as text out.
//!
//! A case is a text file: lines starting with `#` say why it exists, `name: value` lines are its input, and after a line
//! `----` stands what is expected. `UPDATE=1 cargo test --test plan` rewrites the expectations.
//!
//! Inputs: `facts: FILE` in `testdata/facts`; `set: /json/pointer = JSON` changes one value of the facts (`-` at the end
//! appends); `drop-from-facts: /json/pointer` removes one; `clause: KIND-JSON | text` adds a clause; `hint: text`;
//! `statement: schema.table`; `ignore: true`; `options: JSON`; `show: decision | text | json | markdown | colour`, the
//! first unless said otherwise.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use driftless::inspect::{FactsFileError, facts_text, read_facts};
use driftless::report::plan_json::plan_json;
use driftless::report::plan_markdown::plan_markdown;
use driftless::report::plan_text::{PlanSheet, plan_text};
use driftless::report::style::{Colour, Style};
use driftless_strategies::choose::MENU;
use driftless_strategies::verdict::{Decision, Fits, Reason, ReasonCode};
use driftless_strategies::{
    Alter, Clause, Facts, Options, Plan, Step, StrategyName, TableName, TableShape, Work, choose,
};
use serde_json::Value;

struct Case {
    facts: Facts,
    alter: Alter,
    options: Options,
    show: String,
    input: String,
    expected: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn cases() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(root().join("plan")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no cases");
    paths
}

fn read(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    let (input, expected) = text.split_once("----\n").unwrap_or_else(|| panic!("{} has no ----", path.display()));
    assert!(input.starts_with("# "), "{}: say first why the case exists", path.display());
    let mut facts = Value::Null;
    let mut alter = Alter { table: None, clauses: Vec::new(), hints: Vec::new(), ignore: false };
    let (mut options, mut show) = (Options::default(), "decision".to_owned());
    for line in input.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
        let json = |text: &str| -> Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{}: {text}: {error}", path.display()))
        };
        match name {
            "facts" => facts = json(&std::fs::read_to_string(root().join("facts").join(value)).unwrap()),
            "set" => set(&mut facts, value),
            "drop-from-facts" => remove(&mut facts, value),
            "clause" => {
                let (kind, text) = value.split_once(" | ").unwrap();
                let kind = serde_json::from_value(json(kind)).unwrap();
                alter.clauses.push(Clause { text: text.to_owned(), kind });
            }
            "hint" => alter.hints.push(value.to_owned()),
            "statement" => alter.table = Some(TableName::parse(value).unwrap()),
            "ignore" => alter.ignore = value == "true",
            "options" => options = serde_json::from_value(json(value)).unwrap(),
            "show" => value.clone_into(&mut show),
            other => panic!("{}: unknown input {other}", path.display()),
        }
    }
    let facts = serde_json::from_value(facts).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Case { facts, alter, options, show, input: input.to_owned(), expected: expected.to_owned() }
}

/// `/pointer = JSON`; `/list/- = JSON` appends.
fn set(facts: &mut Value, line: &str) {
    let (pointer, value) = line.split_once(" = ").unwrap();
    let value: Value = serde_json::from_str(value).unwrap_or_else(|error| panic!("{line}: {error}"));
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match facts.pointer_mut(parent).unwrap_or_else(|| panic!("{line}: no {parent}")) {
        Value::Array(list) if name == "-" => list.push(value),
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        Value::Object(map) => drop(map.insert(name.to_owned(), value)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => panic!("{line}: {other}"),
    }
}

fn remove(facts: &mut Value, pointer: &str) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match facts.pointer_mut(parent).unwrap() {
        Value::Array(list) => drop(list.remove(name.parse().unwrap())),
        Value::Object(map) => assert!(map.remove(name).is_some(), "{pointer}"),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => panic!("{pointer}: {other}"),
    }
}

fn shown(case: &Case) -> String {
    let decision = choose(&case.facts, &case.alter, &case.options);
    let sheet = PlanSheet { facts: &case.facts, alter: &case.alter, decision: &decision, sql: &sample_sql };
    let style = |colour| Style { colour, width: 100 };
    match case.show.as_str() {
        "decision" => brief(&decision),
        "text" => {
            let text = plan_text(&sheet, &style(Colour::Off));
            for line in text.lines() {
                assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
                assert_eq!(line.trim_end(), line, "blanks at the end");
                assert!(!line.contains(char::is_control), "not for a terminal: {line}");
            }
            text
        }
        "colour" => plan_text(&sheet, &style(Colour::On)).replace('\x1b', "<ESC>"),
        "json" => plan_json(&sheet).unwrap() + "\n",
        "markdown" => plan_markdown(&sheet, &["nobody has | looked".to_owned()]),
        other => panic!("unknown show: {other}"),
    }
}

/// Stands for the SQL room: what matters here is where its statements are printed and that they are not changed.
fn sample_sql(step: &Step) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match step {
        Step::Journal => one("CREATE DATABASE IF NOT EXISTS `driftless`"),
        Step::Alter { alter, algorithm, lock }
        | Step::NonBlocking { alter, algorithm, lock }
        | Step::Roll { alter, algorithm, lock, .. } => {
            vec![format!("ALTER TABLE `shop`.`orders` {alter}, ALGORITHM={algorithm}, LOCK={}", lock.as_str())]
        }
        Step::Shadow { alter, foreign_keys } => {
            let mut all = one("CREATE TABLE `shop`.`_orders_shadow` LIKE `shop`.`orders`");
            if !alter.is_empty() {
                all.push(format!("ALTER TABLE `shop`.`_orders_shadow` {alter}"));
            }
            for key in foreign_keys {
                let name = key.interim.quoted();
                all.push(format!("ALTER TABLE `shop`.`_orders_shadow` ADD CONSTRAINT {name} FOREIGN KEY …"));
            }
            all
        }
        Step::Triggers => {
            one("CREATE TRIGGER `shop`.`driftless_orders_d` AFTER DELETE ON `shop`.`orders` FOR EACH ROW \
             BEGIN\n  INSERT IGNORE INTO `shop`.`_orders_shadow` (`id`, `customer`, `amount`, `status`) VALUES \
             (OLD.`id`, OLD.`customer`, OLD.`amount`, 'a  b');\nEND")
        }
        Step::Copy | Step::Verify | Step::Follow { .. } | Step::Close { .. } => Vec::new(),
        Step::Switch => one("RENAME TABLE `shop`.`orders` TO `shop`.`_orders_retired`, `shop`.`_orders_shadow` TO \
             `shop`.`orders`"),
        Step::ForeignKeys { foreign_keys } => {
            foreign_keys.iter().map(|key| format!("give back {}", key.name.quoted())).collect()
        }
        Step::Drop => one("DROP TABLE `shop`.`_orders_retired`"),
        Step::Keep => one("DROP TRIGGER `shop`.`driftless_orders_d`"),
    }
}

fn brief(decision: &Decision) -> String {
    let mut text = String::new();
    let mut each = |label: &str, reasons: &[Reason]| {
        for reason in reasons {
            write!(text, "{label} [{}] {}\n    -> {}\n", reason.code.as_str(), reason.what, reason.remedy).unwrap();
        }
    };
    each("blocker", &decision.blockers);
    each("lint", &decision.lints);
    each("allowed lint", &decision.allowed_lints);
    for verdict in &decision.verdicts {
        let fits = match verdict.fits {
            Fits::Yes => "yes",
            Fits::No => "no",
        };
        each(&format!("{} {fits}", verdict.strategy), &verdict.reasons);
    }
    let Some(plan) = &decision.plan else { return text + "no plan\n" };
    each("warning", &plan.warnings);
    let (strategy, table, nodes) = (plan.strategy, &plan.table, plan.nodes.len());
    writeln!(text, "plan {strategy} for {table} on {nodes} nodes, epoch {:?}", plan.epoch).unwrap();
    match &plan.work {
        Work::Copy(copy) | Work::Stream(copy) => {
            for pair in &copy.columns {
                writeln!(text, "  column {} -> {} {:?}", pair.source, pair.shadow, pair.compare).unwrap();
            }
            let (key, unique, zero) = (&copy.key.source_index, &copy.new_unique, copy.zero_dates);
            writeln!(text, "  key {key}, new unique {unique:?}, zero dates {zero}").unwrap();
        }
        Work::Direct(spec) | Work::Rolling(spec) => {
            let names = |shape: &TableShape| -> Vec<String> {
                shape.columns.iter().map(|column| format!("{} {}", column.name, column.column_type)).collect()
            };
            writeln!(text, "  becomes {}; tied to {:?}", names(&spec.target).join(", "), spec.linked).unwrap();
        }
    }
    for (step, cost) in plan.steps.iter().zip(&plan.costs) {
        writeln!(text, "  step {} ms, {}", cost.stall_ms, serde_json::to_string(step).unwrap()).unwrap();
    }
    text
}

#[test]
fn every_case_is_decided_as_written() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for path in cases() {
        let case = read(&path);
        let seen = shown(&case);
        assert_eq!(seen, shown(&case), "{}: the same input gives the same output", path.display());
        if seen == case.expected {
            continue;
        }
        if update {
            // In one move: the other tests read these files meanwhile.
            let draft = path.with_extension("draft");
            std::fs::write(&draft, format!("{}----\n{seen}", case.input)).unwrap();
            std::fs::rename(&draft, &path).unwrap();
        } else {
            write!(wrong, "{}\n--- expected\n{}--- seen\n{seen}\n", path.display(), case.expected).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}(UPDATE=1 rewrites)");
}

/// Files of the pure crate that can put a code into a decision.
const DECIDING: [&str; 22] = [
    "binlog_stream.rs",
    "blockers.rs",
    "choose.rs",
    "chunk_key.rs",
    "convert.rs",
    "copy_spec.rs",
    "copy_steps.rs",
    "foreign_keys.rs",
    "in_place.rs",
    "lint/attributes.rs",
    "lint/charsets.rs",
    "lint/find.rs",
    "lint/key_length.rs",
    "lint/keys.rs",
    "lint/names.rs",
    "lint/ranges.rs",
    "mapping.rs",
    "native.rs",
    "nbo.rs",
    "rsu.rs",
    "toi.rs",
    "trigger_copy.rs",
];

/// Which codes a decision can give is read from its own source, so that none can be added without a case.
#[test]
fn every_code_that_a_decision_can_give_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("strategies");
    let source: String = DECIDING.iter().map(|file| std::fs::read_to_string(folder.join(file)).unwrap()).collect();
    let mut given = BTreeSet::new();
    for piece in source.split("Code::").skip(1) {
        given.insert(piece.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
    }
    // Given only by `settle`, which judges a real shadow; tested beside it.
    given.remove("PlanStale");
    let expected: String = cases().iter().map(|path| read(path).expected).collect();
    let uncovered: Vec<String> = ReasonCode::ALL
        .iter()
        .filter(|code| given.contains(&format!("{code:?}")) && !expected.contains(&format!("[{}]", code.as_str())))
        .map(|code| code.as_str().to_owned())
        .collect();
    assert!(given.len() > 25, "the scan found only {given:?}");
    assert!(uncovered.is_empty(), "no case for: {uncovered:?}");
}

/// A heading a lint, with what, why and what to do below it.
#[test]
fn every_lint_is_in_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lints.md");
    let text = std::fs::read_to_string(path).unwrap();
    let told: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let codes: BTreeSet<&str> =
        ReasonCode::ALL.iter().filter(|code| code.is_lint()).map(|code| code.as_str()).collect();
    assert_eq!(told, codes, "docs/lints.md");
}

#[test]
fn the_menu_has_every_strategy_once_in_the_order_of_preference() {
    let names: Vec<StrategyName> = MENU.iter().map(|strategy| strategy.name()).collect();
    assert_eq!(names, StrategyName::ALL);
}

#[test]
fn a_decision_survives_its_file() {
    for path in cases() {
        let case = read(&path);
        let decision = choose(&case.facts, &case.alter, &case.options);
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision, "{}", path.display());
    }
}

#[test]
fn facts_survive_their_file_and_are_judged_the_same() {
    for path in cases() {
        let case = read(&path);
        let text = facts_text(&case.facts).unwrap();
        assert_eq!(text, facts_text(&case.facts).unwrap(), "{}: the same bytes", path.display());
        let back = read_facts(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(back, case.facts, "{}", path.display());
        let before = choose(&case.facts, &case.alter, &case.options);
        assert_eq!(choose(&back, &case.alter, &case.options), before, "{}", path.display());
    }
}

#[test]
fn a_plan_has_one_sort_of_work_and_no_key_that_means_nothing() {
    for (name, key, format) in [("toi-instant.txt", "direct", 2), ("toi-forced-copy.txt", "copy", 1)] {
        let case = read(&root().join("plan").join(name));
        let plan = choose(&case.facts, &case.alter, &case.options).plan.unwrap();
        let whole = serde_json::to_value(&plan).unwrap();
        assert_eq!(serde_json::from_value::<Plan>(whole.clone()).unwrap(), plan);
        let other = if key == "copy" { "direct" } else { "copy" };
        assert!(whole.get(key).is_some() && whole.get(other).is_none() && whole["format"] == format, "{name}");
        for (more, value) in [("colour", Value::from("blue")), (other, whole[key].clone())] {
            let mut spoiled = whole.clone();
            spoiled.as_object_mut().unwrap().insert(more.into(), value);
            assert!(serde_json::from_value::<Plan>(spoiled).is_err(), "{name}: {more} beside the rest");
        }
        let mut less = whole;
        less.as_object_mut().unwrap().remove(key);
        assert!(serde_json::from_value::<Plan>(less).is_err(), "{name}: no work at all");
    }
}

/// Every object of a JSON document, by its pointer.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(place.to_owned());
            map.iter().for_each(|(key, value)| objects(value, &format!("{place}/{key}"), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| objects(value, &format!("{place}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_facts_file_with_anything_wrong_is_refused_in_words() {
    let case = read(&root().join("plan/text-everything.txt"));
    let text = facts_text(&case.facts).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let mut places = Vec::new();
    objects(&whole, "", &mut places);
    assert!(places.len() > 20, "{places:?}");
    for place in &places {
        // The variables of a server are a list of their own, which grows with versions.
        let free = place.ends_with("/variables");
        let mut more = whole.clone();
        more.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("colour".into(), "blue".into());
        match read_facts(&more.to_string()) {
            Ok(_) => assert!(free, "{place}"),
            Err(FactsFileError::UnknownKey(key)) => assert!(!free && key.ends_with("colour"), "{place}: {key}"),
            Err(other) => panic!("{place}: {other}"),
        }
        for key in whole.pointer(place).unwrap().as_object().unwrap().keys().filter(|_| !free) {
            let mut less = whole.clone();
            less.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(key);
            let error = read_facts(&less.to_string()).expect_err(&format!("{place} without {key}")).to_string();
            assert!(error.contains(key.as_str()), "{place} without {key}: {error}");
        }
    }
    // Cut short anywhere it is no JSON; nothing panics.
    for end in (0..text.trim_end().len()).step_by(97).filter(|end| text.is_char_boundary(*end)) {
        let error = read_facts(&text[..end]).unwrap_err();
        assert!(matches!(error, FactsFileError::NotJson(_)), "{end}: {error}");
    }
    let twice = text.replacen("\"driftless\"", "\"format\": 1,\n  \"driftless\"", 1);
    let cases = [
        (twice.as_str(), "duplicate field"),
        ("[]", "no format number"),
        ("{\"format\": 2, \"driftless\": \"9.1.0\", \"new\": {}}", "format is 2 (written by driftless 9.1.0)"),
        ("{\"format\": \"1\"}", "format is \"1\""),
        ("{\"format\": 1}", "missing field `driftless`"),
    ];
    for (text, says) in cases {
        let error = read_facts(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let mut nobody = whole;
    nobody["facts"]["nodes"] = Value::Array(Vec::new());
    assert!(read_facts(&nobody.to_string()).unwrap_err().to_string().contains("no server"));
}
