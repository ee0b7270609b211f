//! What a job must leave: equal nodes, all rows, nothing of its own.

use driftless::demo::{Ledger, Proof, prove};
use driftless_strategies::TableName;

use super::cluster::TestCluster;

impl TestCluster {
    /// Fails unless every row is what the writers were told, on every node.
    pub async fn proven(&self, table: &TableName, ledger: &Ledger, when: &str) -> Proof {
        let proof = prove(&self.servers(), table, ledger).await.expect("read all nodes");
        assert!(proof.holds(), "{when}: {proof:?}");
        assert_eq!(proof.nodes.len(), 3, "{when}");
        proof
    }

    /// Names of the schema's tables and triggers, which must be the same on every node.
    pub async fn standing(&self, when: &str) -> Vec<String> {
        let name = self.schema.as_str();
        let tables = format!("SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'");
        let triggers = format!("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '{name}'");
        let both = format!("{tables} UNION ALL {triggers}");
        let mut seen: Option<Vec<String>> = None;
        for index in 0..3 {
            let rows = self.plain(index).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &both]).await;
            let mut names: Vec<String> = rows.into_iter().flatten().collect();
            names.sort_unstable();
            assert!(
                seen.as_ref().is_none_or(|first| *first == names),
                "{when}: node {index} has {names:?}, not {seen:?}"
            );
            seen = Some(names);
        }
        seen.unwrap_or_default()
    }

    /// Fails unless the schema has exactly these tables and no trigger, on every node.
    pub async fn only(&self, tables: &[&str], when: &str) {
        assert_eq!(self.standing(when).await, tables, "{when}");
    }

    /// A table's columns on the first node.
    pub async fn columns(&self, table: &TableName) -> Vec<String> {
        let sql = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{}' ORDER BY ordinal_position",
            table.schema.as_str(),
            table.table.as_str()
        );
        self.plain(0).run(&["SET SESSION wsrep_sync_wait = 15", "SELECT 1", &sql]).await.into_iter().flatten().collect()
    }
}
