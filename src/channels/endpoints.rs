//! Where the mail services are. Each address can be set in the environment, for a region, a proxy of one's own and for tests.
//! It is the operator's word and not a manifest's, so this machine may be named; without TLS, only this machine.

use thiserror::Error;
use url::{Host, Url};

use crate::http;
use crate::model::address::{HTTP_PORTS, Rules};

/// An address in the environment cannot be used.
#[derive(Debug, Error)]
#[error("{variable} is not an address that can be used")]
pub struct EndpointError {
    /// The variable.
    pub variable: &'static str,
    /// Why, in one line.
    pub why: String,
}

/// One service.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    base: String,
    pub(super) rules: Rules,
}

impl Endpoint {
    pub(super) fn url(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.base)).ok()
    }

    fn read(variable: &'static str, value: Option<&str>, usual: &str) -> Result<Self, EndpointError> {
        let Some(value) = value else {
            return Ok(Self { base: usual.to_owned(), rules: Rules::default() });
        };
        let wrong = |why: String| EndpointError { variable, why };
        let url = Url::parse(value).map_err(|error| wrong(error.to_string()))?;
        http::may_call(&url).map_err(|error| wrong(error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a `?` or a `#` in it".to_owned()));
        }
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let subnets: &[&str] = if is_local { &["127.0.0.0/8", "::1/128"] } else { &[] };
        let subnets: Vec<String> = subnets.iter().map(|&subnet| subnet.to_owned()).collect();
        let port = url.port_or_known_default().filter(|port| !HTTP_PORTS.contains(port)).map(i64::from);
        let ports: Vec<i64> = port.into_iter().collect();
        let rules = Rules::read(&subnets, &ports, is_local).map_err(|refused| wrong(refused.what))?;
        Ok(Self { base: value.trim_end_matches('/').to_owned(), rules })
    }
}

/// Where SendGrid and Resend are.
#[derive(Clone, Debug)]
pub struct MailEndpoints {
    pub(super) sendgrid: Endpoint,
    pub(super) resend: Endpoint,
}

impl MailEndpoints {
    /// Where the variables `SYNTHEX_SENDGRID_URL` and `SYNTHEX_RESEND_URL` say, or where the services themselves are.
    ///
    /// # Errors
    /// One of them is no address, or one that secrets may not be sent to.
    pub fn read(sendgrid: Option<&str>, resend: Option<&str>) -> Result<Self, EndpointError> {
        Ok(Self {
            sendgrid: Endpoint::read("SYNTHEX_SENDGRID_URL", sendgrid, "https://api.sendgrid.com")?,
            resend: Endpoint::read("SYNTHEX_RESEND_URL", resend, "https://api.resend.com")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_nowhere_without_encryption() {
        for bad in ["http://proxy.example/", "nothing", "https://a.example/?x=1", "https://u:p@a.example"] {
            assert_eq!(
                MailEndpoints::read(None, Some(bad)).unwrap_err().variable,
                "SYNTHEX_RESEND_URL",
                "{bad}"
            );
        }
        let usual = MailEndpoints::read(None, Some("http://127.0.0.1:9/base/")).unwrap();
        assert_eq!(usual.sendgrid.url("/v3").unwrap().as_str(), "https://api.sendgrid.com/v3");
        assert_eq!(usual.resend.url("/emails").unwrap().as_str(), "http://127.0.0.1:9/base/emails");
    }
}
