//! Git repositories made by a test, and a server that gives them over HTTP, as `git http-backend` does, to who has the token.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use synthex::files::{GIT_ENVIRONMENT, Repository, RepositoryOptions};
use synthex::model::secret::Redacted;
use tempfile::TempDir;

/// A repository that others fetch from, with a work tree that commits are made in.
pub struct Origin {
    folder: TempDir,
}

impl Origin {
    /// An empty one.
    pub fn new() -> Origin {
        let origin = Origin { folder: TempDir::with_prefix("synthex-origin-").expect("a folder") };
        origin.git(&["init", "--quiet", "--initial-branch=main", "."]);
        origin
    }

    /// One whose branch `main` has a commit with the file `a.yaml`: `one`.
    pub fn with_a_commit() -> Origin {
        let origin = Origin::new();
        origin.commit(&[("a.yaml", "one\n")]);
        origin
    }

    /// Its address.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes files, commits them, and returns the id of the commit.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "declare"]);
        self.head()
    }

    /// What is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the work tree.
    #[track_caller]
    pub fn git(&self, words: &[&str]) -> String {
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = git.args(who).args(words).current_dir(self.path()).output().expect("git can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {words:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

/// What git is handed on.
pub fn environment() -> Vec<(String, OsString)> {
    GIT_ENVIRONMENT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var_os(name)?))).collect()
}

/// How to get at a repository: its branch `main`, with nothing else said.
pub fn options(url: impl AsRef<Path>, folder: &Path) -> RepositoryOptions {
    RepositoryOptions {
        url: url.as_ref().to_string_lossy().into_owned(),
        reference: "main".to_owned(),
        folder: folder.to_path_buf(),
        token: None,
        username: None,
        ssh_key: None,
        known_hosts: None,
        verify: None,
        timeout: Duration::from_secs(30),
        environment: environment(),
    }
}

/// The repository of an origin, with its cache in a folder.
pub fn repository(origin: &Origin, folder: &Path) -> Repository {
    Repository::new(options(origin.path(), folder))
}

/// The same with a token.
pub fn with_token(mut options: RepositoryOptions, token: &str) -> RepositoryOptions {
    options.token = Some(Redacted::new(token.to_owned()));
    options
}

/// How a server behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It gives what is asked for.
    Serves,
    /// It takes the request, and says nothing.
    Hangs,
    /// It refuses, and repeats what it was sent.
    Repeats,
    /// It sends elsewhere.
    Redirects(String),
}

/// What a server saw.
#[derive(Default)]
struct Seen {
    /// The first lines of the requests, and the commands of the protocol in them.
    requests: Vec<String>,
    /// What the requests were authorised with.
    authorisations: Vec<String>,
    /// The command lines of all processes while it was asked, a line each.
    processes: String,
}

/// A server on loopback.
pub struct GitServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    manner: Arc<Mutex<Manner>>,
}

impl GitServer {
    /// A server for the repositories in a folder. With a user and a token it lets nobody else in.
    pub fn new(root: &Path, user_and_token: Option<(&str, &str)>) -> GitServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Seen>>::default();
        let manner = Arc::new(Mutex::new(Manner::Serves));
        let expected = user_and_token.map(|(user, token)| basic(user, token));
        let (root, shared, shared_manner) = (root.to_path_buf(), Arc::clone(&seen), Arc::clone(&manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, expected) = (root.clone(), expected.clone());
                let (seen, manner) = (Arc::clone(&shared), Arc::clone(&shared_manner));
                std::thread::spawn(move || serve(stream, &root, expected.as_deref(), &seen, &manner));
            }
        });
        GitServer { address, seen, manner }
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// From now on it behaves like this.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// What was asked since this was last called.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner).requests)
    }

    /// What the requests were authorised with.
    pub fn authorisations(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).authorisations.clone()
    }

    /// The command lines of all processes while it was asked.
    pub fn processes(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).processes.clone()
    }
}

/// What Basic authentication sends.
pub fn basic(user: &str, token: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{token}")))
}

/// The command lines of all processes.
pub fn processes() -> String {
    let folders = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = folders.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n").collect()
}

fn serve(stream: TcpStream, root: &Path, expected: Option<&str>, seen: &Mutex<Seen>, manner: &Mutex<Manner>) {
    let mut reader = BufReader::new(stream);
    let Some((first, headers, body)) = read(&mut reader) else { return };
    let header = |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&body);
        let command = text.split("command=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let command =
            command.map(|command| command.chars().take_while(|c| !c.is_ascii_digit()).collect::<String>());
        seen.requests.push(format!("{first} {}", command.unwrap_or_default()));
        seen.authorisations.extend(header("authorization").map(str::to_owned));
        seen.processes.push_str(&processes());
    }
    let manner = manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let answer = match manner {
        Manner::Hangs => {
            // Until the client hangs up.
            let _ = reader.read(&mut [0]);
            return;
        }
        Manner::Repeats => {
            let sent = header("authorization").unwrap_or_default();
            let text = format!("you sent {sent}, {:?}", decoded(sent));
            format!(
                "HTTP/1.1 403 x\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            )
            .into_bytes()
        }
        Manner::Redirects(to) => {
            let path = first.split(' ').nth(1).unwrap_or_default();
            format!("HTTP/1.1 301 x\r\nlocation: {to}{path}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        }
        Manner::Serves if expected.is_some() && header("authorization") != expected => {
            b"HTTP/1.1 401 x\r\nwww-authenticate: Basic realm=\"git\"\r\ncontent-length: 0\r\n\r\n".to_vec()
        }
        Manner::Serves => backend(root, &first, &headers, &body),
    };
    // The client may be dead by now.
    let _ = reader.get_mut().write_all(&answer);
}

fn decoded(authorisation: &str) -> String {
    let encoded = authorisation.strip_prefix("Basic ").unwrap_or_default();
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

type Request = (String, Vec<(String, String)>, Vec<u8>);

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
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
    (!first.trim().is_empty()).then(|| (first.trim().to_owned(), headers, body))
}

/// Has `git http-backend` answer.
fn backend(root: &Path, first: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |name: &str| headers.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value);
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .envs([
            ("GIT_HTTP_EXPORT_ALL", "1"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ])
        .envs([("REQUEST_METHOD", method), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .envs([("CONTENT_TYPE", header("content-type")), ("HTTP_GIT_PROTOCOL", header("git-protocol"))])
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git http-backend can be run");
    let mut pipe = child.stdin.take().expect("a pipe");
    let body = body.to_vec();
    std::thread::spawn(move || pipe.write_all(&body));
    let output = child.wait_with_output().expect("git http-backend ends").stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let (head, content) = (String::from_utf8_lossy(&output[..end]).into_owned(), &output[end + 4..]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    )
    .into_bytes();
    answer.extend_from_slice(content);
    answer
}

/// The files below a folder that have a text in them, or in their name.
pub fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
            continue;
        }
        let has =
            fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
        if has || path.to_string_lossy().contains(text) {
            found.push(path);
        }
    }
    found
}

/// An environment in which a program is a script, which is handed the real one as `$REAL`.
pub fn with_program(folder: &Path, name: &str, script: &str) -> Vec<(String, OsString)> {
    let mut environment = environment();
    let path = environment.iter_mut().find(|(name, _)| name == "PATH").expect("a PATH");
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path.1).collect();
    let real = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).unwrap_or_default();
    let program = folder.join(name);
    fs::write(&program, format!("#!/bin/sh\nREAL='{}'\n{script}\n", real.display())).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    folders.insert(0, folder.to_path_buf());
    path.1 = std::env::join_paths(folders).expect("a PATH");
    environment
}

/// Whether a file has this text.
#[track_caller]
pub fn holds(files: &Path, name: &str, text: &str) {
    assert_eq!(
        fs::read_to_string(files.join(name)).unwrap_or_default(),
        text,
        "{name} in {}",
        files.display()
    );
}
