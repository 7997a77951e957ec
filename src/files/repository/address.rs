//! Where a repository is: which addresses are taken, and how they are shown. Nothing secret may be in one, since git puts
//! addresses on command lines, into its configuration and into its errors.

use std::net::IpAddr;

use url::{Host, Url};

use super::error::RepositoryError;

/// How a repository is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Https,
    /// Without encryption: this machine only.
    Http,
    Ssh,
    /// A folder of this machine.
    File,
}

impl Protocol {
    /// As git calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }

    pub(super) const fn is_web(self) -> bool {
        matches!(self, Self::Https | Self::Http)
    }
}

/// An address that git may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) protocol: Protocol,
    /// What git is given.
    pub(super) text: String,
    /// What people are shown: without a user.
    pub(super) shown: String,
}

const FORMS: &str = "write https://HOST/PATH, ssh://USER@HOST/PATH, USER@HOST:PATH, or the path of a folder";
const BY_REFERENCE: &str = "take user and password out of the address; say where the token is with --git-token-env or --git-token-file";

fn wrong(what: impl Into<String>, help: &str) -> RepositoryError {
    RepositoryError::Invalid { what: what.into(), help: help.to_owned() }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// It is none, has a password in it, or goes over a protocol that is not taken. What was written is not repeated: it may
    /// hold a secret.
    pub(super) fn read(text: &str) -> Result<Self, RepositoryError> {
        if text.is_empty() {
            return Err(wrong("the address of the git repository is empty", FORMS));
        }
        if text.starts_with('-') {
            return Err(wrong("the address of the git repository begins with `-`, as an option does", FORMS));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("the address of the git repository has a control character in it", FORMS));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "https" => web(text, Protocol::Https),
                "http" => web(text, Protocol::Http),
                "ssh" => ssh(text),
                "file" if rest.starts_with('/') => {
                    Ok(Self { protocol: Protocol::File, text: text.to_owned(), shown: text.to_owned() })
                }
                "file" => Err(wrong("a file:// address names a folder of this machine only", FORMS)),
                _ => Err(wrong("repositories are fetched over https, ssh, or from a folder only", FORMS)),
            };
        }
        // `ext::...` would have git run any program.
        if text.contains("::") {
            return Err(wrong("repositories are fetched over https, ssh, or from a folder only", FORMS));
        }
        match text.split_once(':') {
            // As git sees it: a colon before the first slash makes it HOST:PATH.
            Some((host, path)) if !host.contains('/') => short_ssh(text, host, path),
            _ => Ok(Self { protocol: Protocol::File, text: text.to_owned(), shown: text.to_owned() }),
        }
    }
}

fn web(text: &str, protocol: Protocol) -> Result<Address, RepositoryError> {
    let unreadable = || wrong("the address of the git repository cannot be read", FORMS);
    if text.contains(['\\', ' ']) {
        return Err(unreadable());
    }
    let url = Url::parse(text).map_err(|_| unreadable())?;
    if !url.username().is_empty() || url.password().is_some() {
        // Also a user alone: many services take the token there.
        return Err(wrong("the address of the git repository has a user or a password in it", BY_REFERENCE));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let what = "the address of the git repository has a query or a fragment in it";
        return Err(wrong(what, "write the address without what follows `?` or `#`"));
    }
    let is_own = match url.host().ok_or_else(unreadable)? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
    };
    if protocol == Protocol::Http && !is_own {
        return Err(wrong("a repository of another machine is not fetched over http", "write https://"));
    }
    // As this parser understood it, so that git cannot understand it otherwise.
    let shown = url.as_str().to_owned();
    Ok(Address { protocol, text: shown.clone(), shown })
}

fn ssh(text: &str) -> Result<Address, RepositoryError> {
    let url = Url::parse(text).ok().filter(|url| url.has_host() && !text.contains(['\\', ' ']));
    let url = url.ok_or_else(|| wrong("the address of the git repository cannot be read", FORMS))?;
    if url.password().is_some() {
        let help = "take the password out of the address; say where the key is with --git-ssh-key";
        return Err(wrong("the address of the git repository has a password in it", help));
    }
    let user = url.username();
    if user.starts_with('-') || url.host_str().is_some_and(|host| host.starts_with('-')) {
        return Err(wrong("the host of the git repository begins with `-`, as an option does", FORMS));
    }
    let shown =
        if user.is_empty() { text.to_owned() } else { text.replacen(&format!("://{user}@"), "://", 1) };
    Ok(Address { protocol: Protocol::Ssh, text: text.to_owned(), shown })
}

fn short_ssh(text: &str, host: &str, path: &str) -> Result<Address, RepositoryError> {
    let (user, name) = host.rsplit_once('@').unwrap_or(("", host));
    if user.starts_with('-') || name.starts_with('-') || name.is_empty() || path.is_empty() {
        return Err(wrong("the address of the git repository cannot be read", FORMS));
    }
    if path.split('/').next().is_some_and(|step| step.contains('@')) {
        // USER:PASSWORD@HOST is what somebody meant.
        return Err(wrong("the address of the git repository has a password in it", BY_REFERENCE));
    }
    Ok(Address { protocol: Protocol::Ssh, text: text.to_owned(), shown: format!("{name}:{path}") })
}

/// Whether a text is the full id of a commit.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Checks the name of a branch or a tag, or the full id of a commit.
///
/// # Errors
/// It is none.
pub(super) fn check_reference(text: &str) -> Result<(), RepositoryError> {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let step = |step: &str| step.is_empty() || step.starts_with('.') || step.ends_with(".lock");
    let is_wrong = text.starts_with('-')
        || text.ends_with('.')
        || text.contains("..")
        || text.contains("@{")
        || text.contains(forbidden)
        || text.split('/').any(step);
    if is_wrong {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        let help = "write a branch, a tag, or the full id of a commit";
        return Err(wrong(format!("`{shown}` is no name of a branch or a tag"), help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn takes(text: &str, protocol: Protocol, shown: &str) {
        let address = Address::read(text).unwrap();
        assert_eq!((address.protocol, address.shown.as_str()), (protocol, shown));
    }

    #[test]
    fn addresses_are_taken_and_shown_without_a_user() {
        takes("https://git.example.com/shop.git", Protocol::Https, "https://git.example.com/shop.git");
        takes("HTTPS://git.example.com/shop", Protocol::Https, "https://git.example.com/shop");
        takes("http://127.0.0.1:8080/shop", Protocol::Http, "http://127.0.0.1:8080/shop");
        takes("http://localhost/shop", Protocol::Http, "http://localhost/shop");
        takes("http://[::1]/shop", Protocol::Http, "http://[::1]/shop");
        takes("ssh://git@git.example.com:2222/shop", Protocol::Ssh, "ssh://git.example.com:2222/shop");
        takes("git@git.example.com:team/shop.git", Protocol::Ssh, "git.example.com:team/shop.git");
        takes("git.example.com:team/shop@2", Protocol::Ssh, "git.example.com:team/shop@2");
        takes("/srv/git/shop.git", Protocol::File, "/srv/git/shop.git");
        takes("file:///srv/git/a b.git", Protocol::File, "file:///srv/git/a b.git");
        takes("../shop", Protocol::File, "../shop");
        takes("./a:b", Protocol::File, "./a:b");
    }

    #[test]
    fn what_is_refused_is_not_repeated() {
        for text in [
            "https://me:hunter2@git.example.com/shop",
            "https://hunter2@git.example.com/shop",
            "https://:hunter2@git.example.com/shop",
            "ssh://git:hunter2@git.example.com/shop",
            "git:hunter2@git.example.com:shop",
            "https://git.example.com/shop?private_token=hunter2",
            "https://git.example.com/shop#hunter2",
            "https://git.example.com\\@hunter2/",
            "http://hunter2.example.com/shop",
            "http://127.0.0.1.hunter2.example/shop",
            "git://hunter2.example.com/shop",
            "ext::sh -c hunter2",
            "file://hunter2/shop",
            "--upload-pack=hunter2",
            "-hunter2:shop",
            "ssh://-oProxyCommand=hunter2/shop",
            "ssh://-oProxyCommand=hunter2@host/shop",
            "me@-hunter2:shop",
            "https://git.example.com/\nhunter2",
            "https://",
            "",
        ] {
            let error = Address::read(text).unwrap_err();
            assert_eq!(error.code(), "invalid", "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let error = Address::read("https://me:hunter2@git.example.com/shop").unwrap_err();
        assert!(error.help().contains("--git-token-env or --git-token-file"), "{error:?}");
    }

    #[test]
    fn references_are_names_and_never_options() {
        for good in ["main", "release/1.0", "HEAD", "v1.2.3", "refs/heads/main", "feature@2"] {
            check_reference(good).unwrap();
        }
        for bad in [
            "",
            "-main",
            "--upload-pack=x",
            "a b",
            "main~1",
            "a..b",
            "a:b",
            "/main",
            "main/",
            "x.lock",
            "@{1}",
        ] {
            assert_eq!(check_reference(bad).unwrap_err().code(), "invalid", "{bad}");
        }
        assert!(is_commit(&"a".repeat(40)) && is_commit(&"0".repeat(64)));
        assert!(!is_commit("abc123") && !is_commit(&"g".repeat(40)) && !is_commit(&"A".repeat(40)));
    }
}
