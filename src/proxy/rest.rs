//! HTTP as far as an administrative interface needs it: one request, one answer, no redirects, no cookies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Longest wait for one answer, connecting included.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer that is read, bytes.
const LARGEST: u64 = 8 << 20;

/// Who asks, and which certificates are believed.
#[derive(Clone, Default)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password, in clear: it goes into a header and nowhere else.
    pub password: String,
    /// PEM file of the certificate authorities to trust; without it the public ones.
    pub ca: Option<PathBuf>,
}

/// One interface, by the address before all its paths (`https://host:8989`).
pub struct Rest {
    base: String,
    login: String,
    agent: Agent,
}

impl Rest {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// In words, when the certificates can't be read.
    pub fn new(base: &str, login: &Login) -> Result<Self, String> {
        let mut tls = TlsConfig::builder();
        if let Some(file) = &login.ca {
            let bytes = std::fs::read(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
            let found: Vec<Certificate<'static>> = parse_pem(&bytes)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    Ok(_) | Err(_) => None,
                })
                .collect();
            if found.is_empty() {
                return Err(format!("{} holds no certificate in PEM form", file.display()));
            }
            tls = tls.root_certs(RootCerts::Specific(Arc::new(found)));
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            // A redirect would take the password elsewhere, and so would a proxy of the environment.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("driftless")
            .tls_config(tls.build())
            .build()
            .new_agent();
        let pair = format!("{}:{}", login.user, login.password);
        let login = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        Ok(Self { base: base.trim_end_matches('/').to_owned(), login, agent })
    }

    /// The address before all paths.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Reads: the status and the body.
    ///
    /// # Errors
    /// In words, when there was no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        self.ask(path, Method::Get).await
    }

    /// Orders something that has no body.
    ///
    /// # Errors
    /// As `get`: then it may have been carried out.
    pub async fn put(&self, path: &str) -> Result<(u16, String), String> {
        self.ask(path, Method::Put).await
    }

    async fn ask(&self, path: &str, method: Method) -> Result<(u16, String), String> {
        let (agent, url, login) = (self.agent.clone(), format!("{}{path}", self.base), self.login.clone());
        let call = move || {
            let answer = match method {
                Method::Get => agent.get(&url).header("Authorization", &login).call(),
                Method::Put => agent.put(&url).header("Authorization", &login).send_empty(),
            };
            let mut answer = answer.map_err(|error| words(&error))?;
            let body = answer.body_mut().with_config().limit(LARGEST).lossy_utf8(true).read_to_string();
            Ok((answer.status().as_u16(), body.map_err(|error| words(&error))?))
        };
        // The call has a limit of its own, so that its thread ends.
        tokio::task::spawn_blocking(call).await.map_err(|error| error.to_string())?
    }
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Put,
}

/// The library's words, and what to do where that is known.
fn words(error: &ureq::Error) -> String {
    let said = error.to_string();
    if said.contains("UnknownIssuer") {
        return format!("{said}; none of the trusted authorities signed its certificate: check ssl-ca");
    }
    if said.contains("InvalidMessage") || said.contains("InvalidContentType") {
        return format!("{said}; perhaps it speaks http, not https");
    }
    said
}
