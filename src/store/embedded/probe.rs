//! Asks a socket whether a PostgreSQL behind it takes connections, by beginning one. Only that tells a ready
//! server from one that is still recovering.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::NAME;

/// Longer than a busy machine takes to fork, short against the start timeout.
const PATIENCE: Duration = Duration::from_secs(2);

/// `cannot_connect_now`: starting up, recovering or shutting down.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// What a socket answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It takes connections; with the server's version where it said so.
    Ready { version: Option<String> },
    /// A server is there but does not take connections now.
    NotYet { message: String },
    /// Nothing listens.
    Nobody,
}

/// Begins a session on the socket and ends it again.
pub(super) async fn ask(socket: &Path) -> Answer {
    let Ok(stream) = UnixStream::connect(socket).await else {
        return Answer::Nobody;
    };
    match tokio::time::timeout(PATIENCE, converse(stream)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(problem)) => Answer::NotYet { message: format!("the server broke off: {problem}") },
        Err(_elapsed) => {
            Answer::NotYet { message: format!("the server did not answer within {} s", PATIENCE.as_secs()) }
        }
    }
}

async fn converse(mut stream: UnixStream) -> std::io::Result<Answer> {
    stream.write_all(&startup_packet()).await?;
    let mut version = None;
    loop {
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await?.saturating_sub(4);
        let mut body = vec![0; usize::try_from(length.min(1 << 20)).unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        match kind {
            b'S' => version = version.or(server_version(&body)),
            b'E' => return Ok(refusal(&body)),
            // Asked for a password: someone changed pg_hba.conf. Whether we may enter is for the real
            // connection to find out.
            b'R' if body != [0; 4] => return Ok(Answer::Ready { version }),
            b'Z' => {
                let _ = stream.write_all(&[b'X', 0, 0, 0, 4]).await;
                return Ok(Answer::Ready { version });
            }
            _ => {}
        }
    }
}

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>: StartupMessage, protocol 3.0.
fn startup_packet() -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    for text in ["user", NAME, "database", NAME, "application_name", "synthex probe"] {
        packet.extend_from_slice(text.as_bytes());
        packet.push(0);
    }
    packet.push(0);
    let length = u32::try_from(packet.len()).unwrap_or_default();
    packet[..4].copy_from_slice(&length.to_be_bytes());
    packet
}

fn server_version(body: &[u8]) -> Option<String> {
    let mut parts = body.split(|byte| *byte == 0);
    (parts.next()? == b"server_version")
        .then(|| parts.next().map(|value| String::from_utf8_lossy(value).into_owned()))?
}

/// Any refusal but "not now" comes from a server that works: a full house, a dropped database.
fn refusal(body: &[u8]) -> Answer {
    let field = |code: u8| {
        let found = body.split(|byte| *byte == 0).find(|part| part.first() == Some(&code));
        found.map(|part| String::from_utf8_lossy(&part[1..]).into_owned()).unwrap_or_default()
    };
    if field(b'C') == CANNOT_CONNECT_NOW {
        Answer::NotYet { message: field(b'M') }
    } else {
        Answer::Ready { version: None }
    }
}

#[cfg(test)]
pub(super) fn refusal_of(body: &[u8]) -> Answer {
    refusal(body)
}
