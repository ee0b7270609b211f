//! MaxScale by its REST API: the state `drain` of a server, which its monitor puts in force at its next look.
//!
//! # Source
//! MaxScale 2.5 to 25.01, "REST API: Server Resource" (`set` and `clear`; states `Draining`, `Drained`, `Maintenance`),
//! "MaxScale REST API" (basic authentication). Tried against a stand-in only (`tests/cluster/prove_maxscale.rs`).

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::address::{Place, unknown};
use super::rest::Rest;
use crate::error::Fault;
use crate::ports::proxy::{Backend, Proxy, Stand};

/// How long its monitor may take to put a state in force: some of its looks, 2 s each by default.
const IN_FORCE: Duration = Duration::from_secs(15);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(250);

/// What is written otherwise in a path (RFC 3986, all but the unreserved).
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One MaxScale.
pub struct Maxscale {
    /// Its interface.
    pub rest: Rest,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    id: String,
    attributes: Attributes,
    #[serde(default)]
    relationships: Relationships,
}

#[derive(Deserialize)]
struct Attributes {
    parameters: Parameters,
    state: String,
    statistics: Statistics,
}

#[derive(Deserialize)]
struct Parameters {
    address: Option<String>,
    port: Option<Value>,
}

#[derive(Deserialize)]
struct Statistics {
    connections: u64,
}

#[derive(Default, Deserialize)]
struct Relationships {
    services: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    data: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    id: String,
}

impl Resource {
    fn states(&self) -> impl Iterator<Item = &str> {
        self.attributes.state.split(',').map(str::trim)
    }

    /// `Draining`, `Drained`, and `Being Drained` of older versions.
    fn drained(&self) -> bool {
        self.states().any(|state| state.contains("Drain"))
    }

    fn out(&self) -> bool {
        self.drained() || self.states().any(|state| state == "Maintenance")
    }

    /// Whether it gets connections: a Galera node that is not in the cluster's pace is merely `Running`.
    fn serves(&self) -> bool {
        let is = |wanted: &str| self.states().any(|state| state == wanted);
        is("Running") && !self.out() && ["Synced", "Master", "Slave"].into_iter().any(is)
    }

    fn services(&self) -> impl Iterator<Item = &str> {
        self.relationships.services.iter().flat_map(|links| links.data.iter()).map(|link| link.id.as_str())
    }

    fn port(&self) -> String {
        match &self.attributes.parameters.port {
            Some(Value::String(port)) => port.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

impl Maxscale {
    fn failed(&self, why: impl std::fmt::Display) -> Fault {
        Fault::Failed(format!("failed to work with MaxScale at {}: {why}", self.rest.base()))
    }

    fn silent(&self, why: &str) -> Fault {
        Fault::Busy(format!("failed to ask MaxScale at {}: {why}", self.rest.base()))
    }

    /// What a status means that is not the one that was hoped for.
    fn refusal(&self, status: u16, body: &str) -> Fault {
        match status {
            401 => self.failed(
                "it does not let the user in (401); give --maxscale-user and the password by MAXSCALE_PWD, \
                 --maxscale-password-file or [driftless-maxscale] of an option file",
            ),
            403 => self.failed("the user may not do that (403): it must be an administrator of MaxScale"),
            500.. => self.silent(&format!("it answers {status}")),
            _ => self.failed(format!("it answers {status}, as MaxScale's REST API should not: {}", first_line(body))),
        }
    }

    async fn servers(&self) -> Result<Vec<Resource>, Fault> {
        let (status, body) = self.rest.get("/v1/servers").await.map_err(|why| self.silent(&why))?;
        if status != 200 {
            return Err(self.refusal(status, &body));
        }
        let answer: Result<Answer, _> = serde_json::from_str(&body);
        answer.map(|answer| answer.data).map_err(|error| {
            self.failed(format!("it does not answer like MaxScale's REST API ({error}): {}", first_line(&body)))
        })
    }

    /// The server that is that node.
    async fn of<'a>(&self, all: &'a [Resource], node: &Backend) -> Result<&'a Resource, Fault> {
        let mut place = Place::of(node).await;
        for server in all {
            if let Some(address) = &server.attributes.parameters.address
                && place.is(address, &server.port()).await
            {
                return Ok(server);
            }
        }
        // A name may be another server's elsewhere: it counts only where addresses say nothing.
        let named = all.iter().find(|server| server.id.eq_ignore_ascii_case(&node.name));
        let remedy = "name servers there as wsrep_node_name, or by the address that the node is reached at";
        named.ok_or_else(|| unknown(&format!("MaxScale at {}", self.rest.base()), node, remedy))
    }

    fn path(id: &str, order: &str) -> String {
        format!("/v1/servers/{}/{order}?state=drain", utf8_percent_encode(id, IN_PATH))
    }

    /// Orders it, and waits until the monitor has put it in force.
    async fn order(&self, node: &Backend, id: &str, order: &str, drained: bool) -> Result<(), Fault> {
        let (status, body) = self.rest.put(&Self::path(id, order)).await.map_err(|why| self.silent(&why))?;
        if !(200..300).contains(&status) {
            return Err(self.refusal(status, &body));
        }
        let mut left = IN_FORCE;
        loop {
            let all = self.servers().await?;
            let server = self.of(&all, node).await?;
            if server.drained() == drained {
                return Ok(());
            }
            if left.is_zero() {
                let (base, state) = (self.rest.base(), &server.attributes.state);
                return Err(Fault::Busy(format!(
                    "MaxScale at {base} was told to {order} drain of {id}: it is {state}"
                )));
            }
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
    }
}

/// The beginning of what was answered, short enough for a message.
fn first_line(body: &str) -> String {
    body.trim().lines().next().unwrap_or_default().chars().take(80).collect()
}

#[async_trait::async_trait]
impl Proxy for Maxscale {
    fn flag(&self) -> String {
        format!("--maxscale {}", self.rest.base())
    }

    async fn knows(&self, nodes: &[Backend]) -> Result<(), Fault> {
        let all = self.servers().await?;
        for node in nodes {
            self.of(&all, node).await?;
        }
        Ok(())
    }

    async fn stands(&self, node: &Backend) -> Result<Option<Stand>, Fault> {
        let all = self.servers().await?;
        let own = self.of(&all, node).await?;
        if own.out() {
            return Ok(None);
        }
        let takes = |service: &str| {
            all.iter().any(|other| other.id != own.id && other.serves() && other.services().any(|id| id == service))
        };
        if own.serves()
            && let Some(service) = own.services().find(|service| !takes(service))
        {
            let base = self.rest.base();
            let what =
                format!("{} is the only server of service {service} of MaxScale at {base} that is up", node.name);
            return Err(Fault::Busy(what));
        }
        let by_hand = format!("`maxctrl clear server {} drain` at {}", own.id, self.rest.base());
        Ok(Some(Stand { flag: self.flag(), was: own.id.clone(), by_hand }))
    }

    async fn drain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        let all = self.servers().await?;
        let own = self.of(&all, node).await?;
        if own.out() { Ok(()) } else { self.order(node, &own.id, "set", true).await }
    }

    async fn is_out(&self, node: &Backend) -> Result<(), Fault> {
        let all = self.servers().await?;
        let own = self.of(&all, node).await?;
        if own.out() {
            return Ok(());
        }
        let (base, state) = (self.rest.base(), &own.attributes.state);
        Err(Fault::Busy(format!("{} is no longer drained in MaxScale at {base}: {state}", own.id)))
    }

    async fn let_go(&self, node: &Backend) -> Result<(), Fault> {
        let all = self.servers().await?;
        let own = self.of(&all, node).await?;
        match own.attributes.statistics.connections {
            0 => Ok(()),
            used => {
                let base = self.rest.base();
                Err(Fault::Busy(format!("MaxScale at {base} has connections to {} open: {used}", node.name)))
            }
        }
    }

    /// Also of a server that is not drained: what was asked for may not be in force yet, and the later order counts.
    async fn undrain(&self, node: &Backend, _: &Stand) -> Result<(), Fault> {
        let all = self.servers().await?;
        let own = self.of(&all, node).await?;
        self.order(node, &own.id, "clear", false).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(state: &str) -> Resource {
        let text = serde_json::json!({
            "id": "s 1", "type": "servers", "links": {},
            "attributes": { "parameters": { "address": "a", "port": 3306, "socket": null }, "state": state,
                            "statistics": { "connections": 2, "adaptive_avg_select_time": "0ns" } },
            "relationships": { "services": { "data": [{ "id": "rw", "type": "services" }] } }
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn states_are_read_as_maxscale_writes_them() {
        //  state                                   serves  out    drained  why
        let cases = [
            ("Master, Synced, Running", true, false, false, "the writer"),
            ("Slave, Synced, Running", true, false, false, "a reader"),
            ("Running", false, false, false, "not in the cluster's pace"),
            ("Down", false, false, false, "down"),
            ("Draining, Slave, Synced, Running", false, true, true, "with connections"),
            ("Drained, Slave, Synced, Running", false, true, true, "without"),
            ("Being Drained, Slave, Synced, Running", false, true, true, "as 2.4 says it"),
            ("Maintenance, Running", false, true, false, "somebody's maintenance"),
        ];
        for (state, serves, out, drained, why) in cases {
            let server = server(state);
            assert_eq!((server.serves(), server.out(), server.drained()), (serves, out, drained), "{why}");
        }
        let one = server("Running");
        assert_eq!((one.port().as_str(), one.services().collect::<Vec<_>>()), ("3306", vec!["rw"]));
        assert_eq!(Maxscale::path("s-1 é/", "set"), "/v1/servers/s-1%20%C3%A9%2F/set?state=drain");
    }
}
