//! Shopify, Google and Secret Manager, as far as synthex asks them: one loopback server that plays scenes, and remembers
//! what it was asked.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::cli::Synthex;

/// Its key.
pub const GOOGLE_KEY: &str = include_str!("../../cases/keys/service-account.pem");

/// The key file of a service account of Google.
pub fn google_account() -> String {
    json!({"type": "service_account", "client_email": "robot@project.example", "private_key": GOOGLE_KEY})
        .to_string()
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// All headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// A field of a form, or of a JSON body.
    pub fn field(&self, name: &str) -> String {
        if let Ok(body) = serde_json::from_str::<Value>(&self.body) {
            return body[name].as_str().unwrap_or_default().to_owned();
        }
        let pairs = url::form_urlencoded::parse(self.body.as_bytes());
        pairs
            .into_iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }

    /// The shop that was asked: the first step of the path.
    pub fn shop(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
    /// How many bytes are announced and never sent.
    missing: usize,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_string(), delay: Duration::ZERO, missing: 0 }
    }

    pub fn text(status: u16, body: &str) -> Reply {
        Reply { body: body.to_owned(), ..Reply::json(status, Value::Null) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, cut off before its end.
    pub fn cut(self) -> Reply {
        Reply { missing: 100, ..self }
    }

    pub fn after(self, delay: Duration) -> Reply {
        Reply { delay, ..self }
    }

    /// An answer that breaks off.
    pub fn truncated(status: u16, body: &str) -> Reply {
        Reply { missing: 10, ..Reply::text(status, body) }
    }

    /// A shop that says who it is.
    pub fn shop(domain: &str) -> Reply {
        Reply::shop_on(domain, "Basic")
    }

    /// The same, on another plan.
    pub fn shop_on(domain: &str, plan: &str) -> Reply {
        let shop = json!({"id": "gid://shopify/Shop/1", "name": "A shop", "myshopifyDomain": domain,
            "plan": {"publicDisplayName": plan}});
        Reply::json(200, json!({"data": {"shop": shop}})).header("X-Shopify-API-Version", "2026-10")
    }

    /// A pair of tokens, as Shopify gives them.
    pub fn pair(number: usize) -> Reply {
        Reply::json(
            200,
            json!({"access_token": format!("access-{number}"), "expires_in": 3600, "scope": "read_products",
                "refresh_token": format!("refresh-{number}"), "refresh_token_expires_in": 7_776_000}),
        )
    }

    /// A version of a secret, with its right checksum.
    pub fn secret(text: &str) -> Reply {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(text);
        let sum = synthex::providers::crc32c::crc32c(text.as_bytes());
        let name = "projects/1/secrets/s/versions/1";
        Reply::json(200, json!({"name": name, "payload": {"data": data, "dataCrc32c": sum.to_string()}}))
    }

    /// An error of Google.
    pub fn google(status: u16, message: &str, reason: &str) -> Reply {
        let info = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
            "domain": "merchantapi.googleapis.com", "metadata": {"REASON": reason}});
        let details = if reason.is_empty() { json!([]) } else { json!([info]) };
        Reply::json(status, json!({"error": {"code": status, "message": message, "details": details}}))
    }
}

type Scene = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

#[derive(Default)]
struct World {
    asked: Mutex<Vec<Asked>>,
    scenes: Mutex<Vec<(String, Arc<Scene>)>>,
}

/// The services.
pub struct Services {
    address: SocketAddr,
    world: Arc<World>,
}

impl Services {
    /// Services that nothing may be asked of: what is asked all the same gets 501.
    pub fn new() -> Services {
        Services::over(None)
    }

    /// The same over TLS, with this certificate.
    pub fn secure(config: Arc<ServerConfig>) -> Services {
        Services::over(Some(config))
    }

    fn over(tls: Option<Arc<ServerConfig>>) -> Services {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let world = Arc::new(World::default());
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (world, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || {
                    let wire: Box<dyn Stream> = match tls.and_then(|tls| ServerConnection::new(tls).ok()) {
                        Some(connection) => Box::new(StreamOwned::new(connection, stream)),
                        None => Box::new(stream),
                    };
                    serve(wire, &world);
                });
            }
        });
        Services { address, world }
    }

    /// What is answered where the path has this in it; the last scene that fits counts.
    pub fn scene(&self, path: &str, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> &Services {
        let scene: Scene = Box::new(answer);
        self.world
            .scenes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((path.to_owned(), Arc::new(scene)));
        self
    }

    /// What was asked so far, where the path has this in it.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.world.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|asked| asked.path.contains(path)).cloned().collect()
    }

    /// The variables that make all addresses point here.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://{}", self.address);
        vec![
            ("SYNTHEX_SHOPIFY_BASE_URL", format!("{base}/{{shop}}")),
            ("SYNTHEX_GOOGLE_MERCHANT_URL", base.clone()),
            ("SYNTHEX_GOOGLE_OAUTH_URL", format!("{base}/token")),
            ("SYNTHEX_SECRET_MANAGER_URL", base.clone()),
            ("SYNTHEX_SENDGRID_URL", base.clone()),
            ("SYNTHEX_RESEND_URL", base),
        ]
    }

    /// The run, with all addresses pointing here.
    pub fn serve(&self, run: Synthex) -> Synthex {
        self.variables().into_iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn serve(stream: Box<dyn Stream>, world: &World) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    world.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let scene = {
        let scenes = world.scenes.lock().unwrap_or_else(PoisonError::into_inner);
        scenes
            .iter()
            .rev()
            .find(|(path, _)| asked.path.contains(path.as_str()))
            .map(|(_, scene)| Arc::clone(scene))
    };
    let reply = scene.map_or_else(|| Reply::text(501, "nobody plays that"), |scene| scene(&asked));
    std::thread::sleep(reply.delay);
    let mut head = format!(
        "HTTP/1.1 {} x\r\ncontent-length: {}\r\nconnection: close\r\n",
        reply.status,
        reply.body.len() + reply.missing
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // The client may be dead by now.
    let wire = reader.get_mut();
    let _gone = wire.write_all(format!("{head}\r\n{}", reply.body).as_bytes()).and_then(|()| wire.flush());
}

fn read(reader: &mut BufReader<Box<dyn Stream>>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}
