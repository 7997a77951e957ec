//! A mail server on loopback, real enough for a client to talk to, and as bad as a test asks for.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How a mail server behaves.
#[derive(Clone, Default)]
pub struct Manners {
    /// With this certificate it offers STARTTLS; with none it offers nothing.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether it encrypts from the start.
    pub is_wrapped: bool,
    /// What it answers to a command that begins like this, instead of what it usually would: `("RCPT", "550 no such user")`.
    /// `("GREETING", ..)` for the greeting, `(".", ..)` for the end of a mail.
    pub replies: Vec<(&'static str, &'static str)>,
    /// The command after which it hangs up without a word.
    pub hangs_up_after: Option<&'static str>,
    /// The command after which it says nothing, for ever.
    pub falls_silent_after: Option<&'static str>,
}

/// What happened on one connection.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// The commands, each with whether it came encrypted.
    pub commands: Vec<(String, bool)>,
    /// The mails, as they came.
    pub mails: Vec<String>,
}

/// The server.
pub struct MailServer {
    pub port: u16,
    talks: Arc<Mutex<Vec<Talk>>>,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl MailServer {
    pub fn new(manners: Manners) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let talks: Arc<Mutex<Vec<Talk>>> = Arc::default();
        let shared = Arc::clone(&talks);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manners, talks) = (manners.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let index = {
                        let mut talks = talks.lock().unwrap_or_else(PoisonError::into_inner);
                        talks.push(Talk::default());
                        talks.len() - 1
                    };
                    let note = |change: &dyn Fn(&mut Talk)| {
                        change(&mut talks.lock().unwrap_or_else(PoisonError::into_inner)[index]);
                    };
                    let _over = serve(stream, &manners, &note);
                });
            }
        });
        MailServer { port, talks }
    }

    /// What happened so far, one for each connection.
    pub fn talks(&self) -> Vec<Talk> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All mails so far.
    pub fn mails(&self) -> Vec<String> {
        self.talks().into_iter().flat_map(|talk| talk.mails).collect()
    }
}

/// A connection, read by lines.
type Wire = BufReader<Box<dyn Stream>>;

/// Changes what is noted of a talk.
type Note<'n> = dyn Fn(&dyn Fn(&mut Talk)) + 'n;

fn encrypted(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<Wire> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    Ok(BufReader::new(Box::new(StreamOwned::new(connection, stream))))
}

fn serve(stream: TcpStream, manners: &Manners, note: &Note<'_>) -> std::io::Result<()> {
    let mut is_encrypted = manners.is_wrapped;
    let raw = stream.try_clone()?;
    let mut wire: Wire = match &manners.tls {
        Some(config) if manners.is_wrapped => encrypted(stream, config)?,
        _ => BufReader::new(Box::new(stream)),
    };
    let reply = |command: &str, usual: &str| -> String {
        let own = manners.replies.iter().find(|(begin, _)| command.starts_with(begin));
        format!("{}\r\n", own.map_or(usual, |(_, reply)| *reply))
    };
    let say = |wire: &mut BufReader<Box<dyn Stream>>, text: &str| {
        wire.get_mut().write_all(text.as_bytes()).and_then(|()| wire.get_mut().flush())
    };
    say(&mut wire, &reply("GREETING", "220 mail.test ESMTP"))?;
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let command = line.trim_end().to_owned();
        note(&|talk| talk.commands.push((command.clone(), is_encrypted)));
        let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        if manners.hangs_up_after == Some(verb.as_str()) && verb != "DATA" {
            return Ok(());
        }
        if manners.falls_silent_after == Some(verb.as_str()) && verb != "DATA" {
            std::thread::sleep(Duration::from_secs(60));
            return Ok(());
        }
        match verb.as_str() {
            "EHLO" | "HELO" => {
                let offers = match (&manners.tls, is_encrypted) {
                    (Some(_), false) => "250-mail.test\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS",
                    _ => "250-mail.test\r\n250 AUTH PLAIN LOGIN",
                };
                say(&mut wire, &reply("EHLO", offers))?;
            }
            "STARTTLS" => {
                say(&mut wire, &reply("STARTTLS", "220 go ahead"))?;
                let Some(config) = &manners.tls else { continue };
                wire = encrypted(raw.try_clone()?, config)?;
                is_encrypted = true;
            }
            "AUTH" => say(&mut wire, &reply("AUTH", "235 welcome"))?,
            "DATA" => {
                say(&mut wire, &reply("DATA", "354 go ahead"))?;
                let mut mail = String::new();
                loop {
                    let mut line = String::new();
                    if wire.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.push_str(&line);
                }
                note(&|talk| talk.mails.push(mail.clone()));
                if manners.hangs_up_after == Some("DATA") {
                    return Ok(());
                }
                if manners.falls_silent_after == Some("DATA") {
                    std::thread::sleep(Duration::from_secs(60));
                    return Ok(());
                }
                say(&mut wire, &reply(".", "250 2.0.0 queued as 1"))?;
            }
            "QUIT" => {
                say(&mut wire, "221 bye\r\n")?;
                return Ok(());
            }
            _ => say(&mut wire, &reply(&verb, "250 ok"))?,
        }
    }
}
