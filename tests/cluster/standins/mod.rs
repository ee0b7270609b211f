//! Stand-ins for what can't be had here: ProxySQL, MaxScale, and a node of Percona XtraDB Cluster. They know what the real ones
//! know, take what they take, and turn everything else down.

mod door;
mod maint_mode;
mod maxscale;
mod packets;
mod proxysql;

pub(crate) use maint_mode::MaintNode;
pub(crate) use maxscale::MaxscaleStandIn;
pub(crate) use proxysql::{PASSWORD, ProxysqlStandIn};
