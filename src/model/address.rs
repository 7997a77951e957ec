//! Which addresses a manifest may have us call: those of the public internet, over TLS, at the usual ports, and what the
//! manifest opens besides (M-W5 to M-W8, S12). Whoever may write a manifest could otherwise have the controller ask its own
//! machine, its neighbours or the cloud's metadata service.
//!
//! This is the part that needs no network: it judges a written address, and an address that a name was resolved to. Names are
//! resolved, and what they resolve to is refused before anything connects, in `http`. Nothing here is a list of good names: a
//! name says nothing about where it leads.

mod ranges;

// Of `core`, since `std::net` has sockets too, which no pure module touches.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;

use ipnet::IpNet;
use url::{Host, Url};

pub use ranges::not_public;

/// The ports that may be called by HTTP.
pub const HTTP_PORTS: [u16; 4] = [80, 443, 8080, 8443];

/// The ports that may be called by SMTP.
pub const SMTP_PORTS: [u16; 4] = [25, 465, 587, 2525];

/// An address is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is refused and why, in one line. Of an address it names the host, never the path or the query: either may be
    /// secret.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Refused {
    fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What is open besides the public internet: the block `network:` of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    subnets: Vec<IpNet>,
    ports: Vec<u16>,
    is_plain_allowed: bool,
}

impl Rules {
    /// Reads the block: `allowCidrs`, `allowPorts`, `allowInsecure`.
    ///
    /// # Errors
    /// A subnet is none: see [`subnet`]. A port is none.
    pub fn read(cidrs: &[String], ports: &[i64], allow_insecure: bool) -> Result<Self, Refused> {
        let subnets = cidrs.iter().map(|text| subnet(text)).collect::<Result<_, _>>()?;
        let port = |number: &i64| match u16::try_from(*number) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(Refused::new(format!("{number} is no port"), "give numbers from 1 to 65535")),
        };
        let ports = ports.iter().map(port).collect::<Result<_, _>>()?;
        Ok(Self { subnets, ports, is_plain_allowed: allow_insecure })
    }

    /// Whether it may be called without TLS.
    #[must_use]
    pub const fn is_plain_allowed(&self) -> bool {
        self.is_plain_allowed
    }

    /// Whether an address may be connected to. This is asked of every address again right before it is used.
    ///
    /// # Errors
    /// It is not public, and in no subnet that is listed.
    pub fn admit(&self, address: IpAddr) -> Result<(), Refused> {
        match not_public(address) {
            Some(what) if !self.subnets.iter().any(|subnet| subnet.contains(&address)) => {
                Err(Refused::new(format!("{address} is not called: it is {what}"), opened(address)))
            }
            _ => Ok(()),
        }
    }

    fn admit_port(&self, port: u16, usual: &[u16]) -> Result<(), Refused> {
        if usual.contains(&port) || self.ports.contains(&port) {
            return Ok(());
        }
        let usual: Vec<String> = usual.iter().map(u16::to_string).collect();
        Err(Refused::new(
            format!("port {port} is not called: only {}", usual.join(", ")),
            format!("use one of these ports, or list {port} in `network.allowPorts`"),
        ))
    }

    /// `localhost` is this machine, whatever a resolver says.
    fn admit_name(&self, name: &str) -> Result<(), Refused> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name != "localhost" && !name.ends_with(".localhost") {
            return Ok(());
        }
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if loopback.iter().any(|address| self.admit(*address).is_ok()) {
            return Ok(());
        }
        let help = opened(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Err(Refused::new(format!("{name} is not called: it is this machine"), help))
    }

    fn admit_host<S: AsRef<str>>(&self, host: &Host<S>) -> Result<(), Refused> {
        match host {
            Host::Domain(name) => self.admit_name(name.as_ref()),
            Host::Ipv4(address) => self.admit(IpAddr::V4(*address)),
            Host::Ipv6(address) => self.admit(IpAddr::V6(*address)),
        }
    }
}

fn opened(address: IpAddr) -> String {
    format!(
        "give a public address; if this one is meant, list its subnet in `network.allowCidrs`, such as {}",
        IpNet::from(address)
    )
}

/// Reads a subnet that is to be open, in its one spelling: `10.20.0.0/16`, `fd00:1::/64`.
///
/// # Errors
/// It is no subnet, has bits set behind its length, or is everything.
pub fn subnet(text: &str) -> Result<IpNet, Refused> {
    let what = |why: &str| format!("`{}` is no subnet to open: {why}", shown(text));
    let net: IpNet = text.parse().map_err(|_| match text.parse::<IpAddr>() {
        Ok(address) => Refused::new(
            what("it has no length"),
            format!("for this one address write {}", IpNet::from(address)),
        ),
        Err(_) => Refused::new(what("it is not written as ADDRESS/LENGTH"), "write it as 10.20.0.0/16"),
    })?;
    if net.prefix_len() == 0 {
        return Err(Refused::new(
            what("it is everything, so that nothing would be guarded"),
            "list the subnets that are meant",
        ));
    }
    if net != net.trunc() {
        return Err(Refused::new(
            what("there is more than its length says"),
            format!("write {}, or for the one address {}", net.trunc(), IpNet::from(net.addr())),
        ));
    }
    Ok(net)
}

/// Whether an address that is written as a URL may be called by HTTP, as far as that can be known without a network.
///
/// What is returned is what is to be called: in it every spelling of a number (`0x7f.1`, `2130706433`, `127.1`) has become the
/// address that it means.
///
/// # Errors
/// It is no address, has a user in it, is not `https` where that is required, is at another port than the usual ones, or
/// leads to what is not public.
pub fn check_url(text: &str, rules: &Rules) -> Result<Url, Refused> {
    let help = "write it as https://HOST/PATH";
    // A URL with these in it is read differently by different programs, which is how guards are passed.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(Refused::new("the address has a space, a control character or a backslash in it", help));
    }
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => Refused::new("it does not begin with https://", help),
        error => Refused::new(format!("it is no address: {error}"), help),
    })?;
    // An empty user would be gone from the parsed form.
    let behind = text.split_once("//").map_or("", |(_, behind)| behind);
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::new(
            "the address has a user or a password in it",
            "take out what is before the `@`: secrets are given by reference",
        ));
    }
    match url.scheme() {
        "https" => {}
        "http" if rules.is_plain_allowed => {}
        "http" => {
            return Err(Refused::new(
                "the address is called without TLS (http)",
                "use https, or set `network.allowInsecure: true`",
            ));
        }
        other => return Err(Refused::new(format!("`{}` is not called: only https", shown(other)), help)),
    }
    let host = url.host().ok_or_else(|| Refused::new("the address has no host", help))?;
    rules.admit_port(url.port_or_known_default().unwrap_or_default(), &HTTP_PORTS)?;
    rules.admit_host(&host)?;
    Ok(url)
}

/// Why a text is no mail address that mail is sent with: an address and nothing else, no name, no second address, no line break
/// that would begin a header of its own.
#[must_use]
pub fn mail_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("there is none");
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';')) {
        return Some("there is something in it that no address has, such as a name or a space");
    }
    let is_address = text.rsplit_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && !domain.is_empty()
            && (domain.starts_with('[') || !domain.split('.').any(str::is_empty))
    });
    (!is_address).then_some("it is no mail address")
}

/// Whether a mail server may be called, as far as that can be known without a network. The host comes back in its one
/// spelling, as [`check_url`] has it.
///
/// # Errors
/// It is no host, at another port than the usual ones, or not public.
pub fn check_mail_host(host: &str, port: u16, rules: &Rules) -> Result<Host, Refused> {
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let parsed = match bare.parse::<Ipv6Addr>() {
        Ok(address) => Host::Ipv6(address),
        Err(_) => Host::parse(host).map_err(|_| {
            Refused::new(
                format!("`{}` is no host", shown(host)),
                "give the mail server's name, with nothing around it",
            )
        })?,
    };
    rules.admit_port(port, &SMTP_PORTS)?;
    rules.admit_host(&parsed)?;
    Ok(parsed)
}

/// A written text in a message: short, and on one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests;
