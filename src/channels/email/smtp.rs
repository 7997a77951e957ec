//! A mail by SMTP. The server's name is looked up, judged and connected to here, like any address that a manifest names; the
//! certificate must be of the name all the same.
//!
//! Nothing is sent without encryption unless the manifest says so twice, and a password is never. Between the last byte of a
//! mail and the server's answer, nobody knows whether the mail was taken: it is sent again with the same Message-ID.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use crate::channels::answers::by_error;
use crate::channels::hidden::DOTS;
use crate::engine::delivery::{Failure, Sent};
use crate::http::certificates;
use crate::http::guarded::Guard;
use crate::kinds::notification_channel::{EmailChannel, Encryption};
use crate::model::address::{Rules, check_mail_host};
use crate::model::secret::Redacted;

use super::{Attempt, Channels, Hidden, Prepared, Surroundings, Worded, text_of};

/// How long goodbye may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// A mail that is ready to be sent.
#[derive(Debug)]
pub struct Mail {
    host: Host,
    port: u16,
    encryption: Encryption,
    login: Option<(String, Redacted<String>)>,
    rules: Rules,
    certificates: Option<Arc<[u8]>>,
    timeout: std::time::Duration,
    from: Address,
    to: Address,
    bytes: Vec<u8>,
    hidden: Hidden,
}

impl Mail {
    /// What is sent, byte for byte but for what is secret.
    #[must_use]
    pub fn shown(&self) -> String {
        let encryption = match self.encryption {
            Encryption::Tls => "TLS from the start",
            Encryption::Starttls => "STARTTLS, without which nothing is sent",
            Encryption::None => "no encryption",
        };
        let login = self.login.as_ref().map(|(user, _)| format!("AUTH {user} {DOTS}\n")).unwrap_or_default();
        format!(
            "SMTP {}:{} ({encryption})\n{login}MAIL FROM:<{}>\nRCPT TO:<{}>\nDATA\n{}\n.\n",
            self.host,
            self.port,
            self.from,
            self.to,
            self.hidden.clean(&String::from_utf8_lossy(&self.bytes)).replace("\r\n", "\n")
        )
    }
}

pub(super) async fn prepare<S: Surroundings>(
    channels: &Channels<S>,
    attempt: &Attempt<'_>,
    block: &EmailChannel,
    mail: &Worded,
) -> Result<Prepared, Failure> {
    let Some(host) = &block.host else {
        return Err(Failure::permanent("incomplete", "the channel has no `email.host`"));
    };
    let port = block.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(match block.encryption {
        Some(Encryption::Tls) => 465,
        _ => 587,
    });
    let encryption =
        block.encryption.unwrap_or(if port == 465 { Encryption::Tls } else { Encryption::Starttls });
    if encryption == Encryption::None && !attempt.rules.is_plain_allowed() {
        let what = "the mail server is called without encryption; set `encryption: starttls`, or `network.allowInsecure: true`";
        return Err(Failure::permanent("no_encryption", what));
    }
    let host = check_mail_host(host, port, &attempt.rules)
        .map_err(|refused| Failure::permanent("refused_address", format!("{refused}; {}", refused.help)))?;
    let mut login = None;
    let mut hidden = Hidden::default();
    if let (Some(user), Some(reference)) = (&block.username, &block.password) {
        let secret = channels.password(reference).await?;
        let password = text_of(&secret, "password")?;
        hidden = Hidden::new([password]);
        // A password that everybody can read on the way is worse than a mail that is not sent.
        if encryption != Encryption::None {
            login = Some((user.as_str().to_owned(), Redacted::new(password.to_owned())));
        }
    }
    Ok(Prepared::Mail(Box::new(Mail {
        host,
        port,
        encryption,
        login,
        rules: attempt.rules.clone(),
        certificates: attempt.certificates.clone(),
        timeout: attempt.timeout,
        from: mail.from.clone(),
        to: mail.to.clone(),
        bytes: mail.message(attempt)?.formatted(),
        hidden,
    })))
}

pub(in crate::channels) async fn send(mail: &Mail, guard: &Guard) -> Result<Sent, Failure> {
    // From the last byte of the mail on, no answer is not the same as not sent.
    let is_out = AtomicBool::new(false);
    match timeout(mail.timeout, converse(mail, guard, &is_out)).await {
        Ok(outcome) => outcome,
        Err(_) if is_out.load(Ordering::Relaxed) => {
            Err(unknown(&format!("{} did not answer in time", mail.host)))
        }
        Err(_) => Err(Failure::transient("timeout", format!("{} did not answer in time", mail.host))),
    }
}

fn unknown(why: &str) -> Failure {
    Failure::transient(
        "unknown_outcome",
        format!("{why} after the whole mail was sent, so it may have been taken"),
    )
}

async fn converse(mail: &Mail, guard: &Guard, is_out: &AtomicBool) -> Result<Sent, Failure> {
    let failed = |error: &Error| by_reply(mail, error);
    let mut connection = connect(mail, guard).await?;
    if let Some((user, password)) = &mail.login {
        let credentials = Credentials::new(user.clone(), password.expose().clone());
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|error| {
            if error.is_client() {
                let what = format!("{} offers no way to log in that is known here", mail.host);
                return Failure::permanent("no_auth", what);
            }
            let failure = failed(&error);
            if failure.is_permanent { Failure { code: "auth_failed", ..failure } } else { failure }
        })?;
    }
    let mut parameters = Vec::new();
    if [&mail.from, &mail.to].iter().any(|address| !AsRef::<str>::as_ref(*address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let what = format!("{} takes no addresses with letters beyond ASCII", mail.host);
            return Err(Failure::permanent("no_smtputf8", what));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    connection
        .command(From::new(Some(mail.from.clone()), parameters))
        .await
        .map_err(|error| failed(&error))?;
    connection.command(Rcpt::new(mail.to.clone(), Vec::new())).await.map_err(|error| failed(&error))?;
    connection.command(Data).await.map_err(|error| failed(&error))?;
    is_out.store(true, Ordering::Relaxed);
    let reply = connection.message(&mail.bytes).await.map_err(|error| match error.status() {
        Some(_) => failed(&error),
        None => unknown(&format!("the connection to {} broke", mail.host)),
    })?;
    let sent = Sent {
        status: Some(u16::from(reply.code())),
        response: mail.hidden.start(&reply.message().collect::<Vec<&str>>().join(" ")),
        wait: None,
    };
    // The mail is theirs now; whether goodbye is heard changes nothing.
    let _ = timeout(GOODBYE, connection.quit()).await;
    Ok(sent)
}

async fn connect(mail: &Mail, guard: &Guard) -> Result<AsyncSmtpConnection, Failure> {
    let addresses =
        guard.resolve(&mail.host, &mail.rules).await.map_err(|error| by_error(&error, &mail.hidden))?;
    let own_name = ClientId::default();
    let mut last = None;
    for address in addresses {
        match open(mail, address, &own_name).await {
            Ok(mut connection) => {
                if mail.encryption == Encryption::Starttls {
                    if !connection.can_starttls() {
                        connection.abort().await;
                        let what = format!(
                            "{} offers no STARTTLS, so nothing was sent; set `encryption: tls` if it encrypts from the start",
                            mail.host
                        );
                        return Err(Failure::permanent("no_starttls", what));
                    }
                    let tls = tls(mail)?;
                    connection.starttls(tls, &own_name).await.map_err(|error| by_reply(mail, &error))?;
                }
                return Ok(connection);
            }
            // Another address of the same name may be up.
            Err(failure) if failure.code == "connect" => last = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(last.unwrap_or_else(|| Failure::transient("connect", format!("{} cannot be reached", mail.host))))
}

async fn open(mail: &Mail, address: IpAddr, own_name: &ClientId) -> Result<AsyncSmtpConnection, Failure> {
    let address = SocketAddr::new(address, mail.port);
    if mail.encryption == Encryption::Tls {
        // The address is a number already, so nothing is looked up again.
        let opened = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(mail.timeout),
            own_name,
            Some(tls(mail)?),
            None,
        );
        return opened.await.map_err(|error| match by_reply(mail, &error) {
            // Nobody was there yet: another address of the name may be up.
            failure if failure.code == "broken" && !error.is_response() => {
                Failure { code: "connect", ..failure }
            }
            failure => failure,
        });
    }
    let stream = TcpStream::connect(address).await.map_err(|error| {
        let text = error.to_string();
        let why = text.split(" (os error").next().unwrap_or_default().to_owned();
        Failure::transient("connect", format!("{} cannot be reached: {why}", mail.host))
    })?;
    AsyncSmtpConnection::connect_with_transport(Box::new(stream), own_name)
        .await
        .map_err(|error| by_reply(mail, &error))
}

fn tls(mail: &Mail) -> Result<TlsParameters, Failure> {
    let name = match &mail.host {
        Host::Domain(name) => name.trim_end_matches('.').to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let wrong = "the file of certificates (`network.caFile`) has none that can be read";
    let mut builder = TlsParameters::builder(name);
    if let Some(pem) = &mail.certificates {
        let certificate = Certificate::from_pem(pem).map_err(|_| Failure::permanent("ca_file", wrong))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|_| {
        Failure::transient(
            "tls",
            "no secure connection can be made: the certificates of this system cannot be read",
        )
    })
}

/// What a reply, or none, means (M-D8).
fn by_reply(mail: &Mail, error: &Error) -> Failure {
    let host = &mail.host;
    if let Some(status) = error.status().map(u16::from) {
        let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        let (code, why) = match status {
            421 => ("service_closing", "it closes, and takes mail later"),
            450 => ("mailbox_busy", "the mailbox cannot be written to now"),
            451 => ("local_error", "it has a problem of its own"),
            452 => ("storage_full", "it has no room now"),
            400..=499 => ("smtp_transient", "not now"),
            530 | 534 | 535 | 538 => ("auth_failed", "it does not take the user and the password"),
            550 | 551 | 553 => {
                ("mailbox_unavailable", "it does not take mail for this recipient, or from this sender")
            }
            552 => ("mailbox_full", "the mailbox is full"),
            554 => ("rejected", "it refuses the mail"),
            _ => ("smtp_permanent", "it refuses"),
        };
        return Failure {
            status: Some(status),
            response: mail.hidden.start(&text),
            is_permanent: error.is_permanent(),
            ..Failure::transient(code, format!("{host} answered {status}: {why}"))
        };
    }
    let mut layer: Option<&dyn std::error::Error> = Some(error);
    let mut lowest = String::new();
    while let Some(own) = layer {
        if let Some(tls) = own.downcast_ref::<rustls::Error>() {
            // Tried again, as M-D6 has it for all of TLS: certificates are renewed, and a message is not lost over one night.
            let no = format!("no secure connection to {host}");
            return match tls {
                rustls::Error::InvalidCertificate(wrong) => {
                    Failure::transient("bad_certificate", format!("{no}: {}", certificates::words(wrong)))
                }
                other => Failure::transient("tls", format!("{no}: {other}")),
            };
        }
        lowest = own.to_string();
        let inner = own.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        layer = match inner {
            Some(inner) => Some(inner),
            None => own.source(),
        };
    }
    if error.is_timeout() {
        return Failure::transient("timeout", format!("{host} did not answer in time"));
    }
    if error.is_tls() {
        return Failure::transient("tls", format!("no secure connection to {host}"));
    }
    let why = mail.hidden.clean(&lowest).replace(['\r', '\n'], " ");
    // Behind that come numbers and links that are of use to programmers.
    let why = why.split(" (os error").next().unwrap_or_default();
    let why = why.split(": https://").next().unwrap_or_default();
    if error.is_response() {
        return Failure::transient("broken", format!("{host} said what is no SMTP, or nothing: {why}"));
    }
    Failure::transient("broken", format!("the connection to {host} failed: {why}"))
}
