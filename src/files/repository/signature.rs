//! Who signed a commit. Only those count whose keys are in the files that were named: neither the user's keyring nor a key
//! server is asked.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::cache::Cache;
use super::commit::plain;
use super::error::RepositoryError;
use super::program::{Call, Program};

/// Whose signatures count. A commit needs one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// A file of allowed signers, as `ssh-keygen` reads it: who may sign with which SSH key.
    pub allowed_signers: Option<PathBuf>,
    /// A file of OpenPGP keys, as `gpg --export` writes it, with or without armour.
    pub keyring: Option<PathBuf>,
}

/// What is needed to look at a commit.
pub(super) struct Desk<'a> {
    pub(super) program: &'a Program,
    pub(super) cache: &'a Cache,
    pub(super) repository: &'a Path,
    pub(super) lock: &'a File,
}

impl Verification {
    /// Whether the files can be read.
    pub(super) fn check(&self) -> Result<(), RepositoryError> {
        let files = [
            ("allowed signers", "--git-allowed-signers", &self.allowed_signers),
            ("OpenPGP keys", "--git-keyring", &self.keyring),
        ];
        for (what, option, path) in files {
            let Some(path) = path else { continue };
            let why = match std::fs::metadata(path) {
                Ok(metadata) if !metadata.is_file() => "it is no file".to_owned(),
                Ok(_) => match File::open(path) {
                    Ok(_) => continue,
                    Err(error) => crate::files::io_words(&error),
                },
                Err(error) => crate::files::io_words(&error),
            };
            return Err(RepositoryError::Invalid {
                what: format!("the file of {what} {} cannot be read: {why}", path.display()),
                help: format!("correct {option}; without the keys no commit can be trusted"),
            });
        }
        Ok(())
    }

    /// Who signed a commit.
    ///
    /// # Errors
    /// Nobody who may.
    pub(super) async fn signer(&self, desk: &Desk<'_>, commit: &str) -> Result<String, RepositoryError> {
        self.check()?;
        let home = desk.cache.new_one("keys");
        if let Some(keyring) = &self.keyring {
            import(desk, &home, keyring).await?;
        }
        let found = self.found(desk, &home, commit).await;
        desk.cache.remove(&home).await?;
        found
    }

    async fn found(&self, desk: &Desk<'_>, home: &Path, commit: &str) -> Result<String, RepositoryError> {
        // A kind of signature that no keys are given for must not be verified with somebody else's.
        let signers = self.allowed_signers.as_deref().unwrap_or(Path::new("/dev/null"));
        let gpg = if self.keyring.is_some() { "gpg" } else { "false" };
        let call = |words: &[&'static str]| {
            Call::new(words, desk.cache.folder(), desk.repository)
                .under(desk.lock)
                .variable("GNUPGHOME", home)
                .setting("gpg.ssh.allowedSignersFile", signers)
                .setting("gpg.openpgp.program", gpg)
                .setting("gpg.x509.program", "false")
        };
        let mut verify = call(&["verify-commit", "--raw"]);
        verify.words.push(OsStr::new(commit));
        let verified = desk.program.run(&verify).await?;
        let mut log = call(&["log", "-1", "--no-mailmap", "--format=%G?%x00%GS%x00%GF"]);
        log.words.push(OsStr::new(commit));
        let told = desk.program.run(&log).await?;
        let mut fields = told.text.trim_end_matches('\n').split('\0');
        let mut next = || plain(fields.next().unwrap_or_default());
        let (state, signer, key) = (next(), next(), next());
        // Every key of our own keyring counts, so gpg is told to weigh none; git then calls a good signature one of
        // unknown trust. Of SSH keys, whose ids are hashes, that is said of those that nobody has allowed.
        let is_of_keyring = self.keyring.is_some() && state == "U" && !key.starts_with("SHA256:");
        let is_good = verified.is_success && told.is_success && (state == "G" || is_of_keyring);
        if is_good && !signer.is_empty() {
            return Ok(signer);
        }
        let key = if key.is_empty() { String::new() } else { format!(": {key}") };
        let found = match state.as_str() {
            "N" => "it has no signature".to_owned(),
            "B" => format!("its signature is bad, or no key for it is allowed{key}"),
            "U" => format!("the key that it is signed with is not allowed{key}"),
            "X" => format!("its signature has expired{key}"),
            "Y" => format!("the key that it is signed with has expired{key}"),
            "R" => format!("the key that it is signed with was revoked{key}"),
            _ => {
                let said = plain(verified.said.lines().next().unwrap_or_default());
                let said = if said.is_empty() { String::new() } else { format!(": {said}") };
                format!("its signature cannot be verified; no key for it is given{said}")
            }
        };
        Err(RepositoryError::Unsigned { commit: commit.to_owned(), found })
    }
}

/// Makes a home for gpg that has these keys and no others, all of them trusted: that is what the file is for.
async fn import(desk: &Desk<'_>, home: &Path, keyring: &Path) -> Result<(), RepositoryError> {
    let made = || -> std::io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(home)?;
        std::fs::write(home.join("gpg.conf"), "trust-model always\nno-auto-key-retrieve\nno-autostart\n")
    };
    made().map_err(|error| desk.cache.disk(&error))?;
    let mut call = Call::new(&["--batch", "--quiet", "--import"], desk.cache.folder(), desk.repository)
        .under(desk.lock)
        .variable("GNUPGHOME", home);
    call.words.push(keyring.as_os_str());
    let imported = desk.program.run_other("gpg", &call).await?;
    if imported.is_success {
        return Ok(());
    }
    let said = plain(imported.said.lines().next().unwrap_or_default());
    Err(RepositoryError::Invalid {
        what: format!("the keys in {} cannot be taken: {said}", keyring.display()),
        help: "write the file with gpg --export, and name it with --git-keyring".to_owned(),
    })
}
