//! Which names are whose.

use driftless_strategies::{Ident, TableName};

use crate::inspect::leftovers::{is_own_trigger, table_leftovers};
use crate::inspect::{Kind, Tool};

#[test]
fn names_are_told_apart() {
    let long = "x".repeat(60);
    let cut = |suffix: &str| format!("_{}{suffix}", "x".repeat(63 - suffix.len()));
    let (gho, new) = (cut("_gho"), cut("_new"));
    let orders = |name| ("orders", name);
    //  table and name                              whose
    let cases = [
        (orders("_orders_shadow"), Some(Tool::Driftless)),
        (orders("_orders_retired"), Some(Tool::Driftless)),
        (orders("_orders_new"), Some(Tool::PtOnlineSchemaChange)),
        (orders("_orders_old"), Some(Tool::PtOnlineSchemaChange)),
        (orders("____orders_new"), Some(Tool::PtOnlineSchemaChange)),
        (orders("_orders_gho"), Some(Tool::GhOst)),
        (orders("_orders_ghc"), Some(Tool::GhOst)),
        (orders("_orders_del"), Some(Tool::GhOst)),
        (orders("_orders_20260131235959_del"), Some(Tool::GhOst)),
        (orders("_orders_2026_del"), None),
        (orders("__orders_gho"), None),
        (orders("_orders_items_new"), None),
        (orders("_Orders_new"), None),
        (orders("_order_new"), None),
        (orders("_orders"), None),
        (orders("_new"), None),
        ((long.as_str(), gho.as_str()), Some(Tool::GhOst)),
        ((long.as_str(), new.as_str()), Some(Tool::PtOnlineSchemaChange)),
    ];
    for ((table, name), wanted) in cases {
        let table = TableName::parse(&format!("s.{table}")).unwrap();
        let found = table_leftovers(&table, &[Ident::new(name).unwrap()]);
        assert_eq!(found.first().map(|left| left.tool), wanted, "{name}");
        assert!(found.iter().all(|left| left.kind == Kind::Table && left.table.table.as_str() == name));
    }
    assert!(is_own_trigger(&Ident::new("driftless_7_ins").unwrap()));
    assert!(!is_own_trigger(&Ident::new("my_driftless_").unwrap()));
}
