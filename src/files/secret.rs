//! Files that hold a secret: read only where other users are kept out, and replaced whole.
//!
//! A renewed pair is written beside the secret first, under a name that every run knows, and then renamed over it. A run that
//! is killed in between leaves the pair there; the next one puts it in place, if the secret is still the one that the pair
//! was given for.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::engine::credentials::{Finding, Outcome, Reading, Secret, Slot};
use crate::model::secret::Redacted;

use super::io_words;

/// The most that a secret may have.
pub const MOST_SECRET_BYTES: u64 = 64 * 1024;

/// Reads a secret from a file.
///
/// # Errors
/// It is not there, open to other users, too large, or no secret.
pub fn read_secret_file(path: &Path) -> Result<Secret, Finding> {
    read_secret_file_as(path, Secret::read)
}

/// [`read_secret_file`], with another idea of what a secret looks like.
///
/// # Errors
/// As there.
pub fn read_secret_file_as(path: &Path, reading: Reading) -> Result<Secret, Finding> {
    reading(read_text(path)?).map_err(|finding| in_file(path, finding))
}

/// Whether a new secret could be saved in place of the one that is there; nothing is touched. Tells whether a pair that an
/// earlier run left lies beside it.
///
/// # Errors
/// As [`open_secret_slot`].
pub fn could_save_secret(path: &Path) -> Result<bool, Finding> {
    let secret = read_secret_file(path)?;
    let (target, pending) = places(path)?;
    if is_read_only(&target) {
        return Err(cannot(format!("{} is read-only", path.display())));
    }
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        let folder = target.parent().unwrap_or(Path::new("/"));
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
            cannot(format!("nothing can be saved in {}: {}", folder.display(), io_words(&error.into())))
        })?;
    }
    Ok(is_left_for(&pending, &secret))
}

/// The file itself, links followed, and where a pair is written before it takes its place.
fn places(path: &Path) -> Result<(PathBuf, PathBuf), Finding> {
    let target = path.canonicalize().map_err(|error| failed(path, &error))?;
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let pending = target.with_file_name(format!(".{name}.renewal"));
    Ok((target, pending))
}

fn is_read_only(target: &Path) -> bool {
    std::fs::metadata(target).is_ok_and(|metadata| metadata.permissions().readonly())
}

fn cannot(what: String) -> Finding {
    Finding::new(Outcome::CannotSave, format!("{what}; nothing was asked for"))
}

fn in_file(path: &Path, finding: Finding) -> Finding {
    Finding { message: format!("{}: {}", path.display(), finding.message), ..finding }
}

fn failed(path: &Path, error: &std::io::Error) -> Finding {
    let outcome = match error.kind() {
        std::io::ErrorKind::NotFound => Outcome::SecretMissing,
        _ => Outcome::SecretUnreadable,
    };
    Finding::new(outcome, format!("{} cannot be read: {}", path.display(), io_words(error)))
}

fn read_text(path: &Path) -> Result<String, Finding> {
    // A pipe would have us wait for ever: it is looked at before it is opened.
    let metadata = std::fs::metadata(path).map_err(|error| failed(path, &error))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
        return Err(Finding::new(
            Outcome::SecretUnreadable,
            format!("{} is {what}, no file", path.display()),
        ));
    }
    let file = File::open(path).map_err(|error| failed(path, &error))?;
    // Asked of what was opened, not of the name.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = file.metadata().map_err(|error| failed(path, &error))?;
        let mode = metadata.mode() & 0o7777;
        if is_open(mode, metadata.uid(), rustix::process::geteuid().as_raw()) {
            let what = format!("{} is open to other users (mode {mode:04o})", path.display());
            let shown = path.display();
            return Err(Finding::new(Outcome::SecretOpen, what)
                .help(format!("keep other users out: chmod 600 {shown}")));
        }
    }
    let mut bytes = Vec::new();
    file.take(MOST_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
    if bytes.len() as u64 > MOST_SECRET_BYTES {
        let what = format!("{} is larger than 64 KiB", path.display());
        return Err(Finding::new(Outcome::SecretMalformed, what));
    }
    String::from_utf8(bytes)
        .map_err(|_| Finding::new(Outcome::SecretMalformed, format!("{} is no UTF-8 text", path.display())))
}

/// Whether more users than need be can read a file. What root gives to a group that we are in is how Kubernetes and systemd
/// hand secrets to a user that is not root; libpq sees it the same way.
#[cfg(unix)]
const fn is_open(mode: u32, owner: u32, reader: u32) -> bool {
    let is_handed_over = owner == 0 && reader != 0;
    let others = if is_handed_over { 0o037 } else { 0o077 };
    mode & others != 0
}

/// A secret's file that is about to get a new content.
#[derive(Debug)]
pub struct SecretSlot {
    /// The file itself, links followed: what leads to it stays as it is.
    target: PathBuf,
    pending: PathBuf,
    file: File,
    fingerprint: String,
    has_recovered: bool,
}

/// Makes ready to save a secret in place of the one that is there. What cannot be saved is known now: the folder takes new
/// files, and the secret is a file of ours. A pair that an earlier run left beside it is put in its place.
///
/// # Errors
/// The secret cannot be read, or nothing can be saved beside it.
pub fn open_secret_slot(path: &Path) -> Result<SecretSlot, Finding> {
    let mut secret = read_secret_file(path)?;
    let (target, pending) = places(path)?;
    let has_recovered = recover(&target, &pending, &secret)?;
    if has_recovered {
        secret = read_secret_file(&target)?;
    }
    let folder = target.parent().unwrap_or(Path::new("/"));
    if is_read_only(&target) {
        return Err(cannot(format!("{} is read-only", path.display())));
    }
    let file = create(&pending).map_err(|error| {
        cannot(format!("nothing can be saved in {}: {}", folder.display(), io_words(&error)))
    })?;
    Ok(SecretSlot { target, pending, file, fingerprint: secret.fingerprint(), has_recovered })
}

/// A new, empty file that no other user can open. What a killed run left under the name is removed, not written to.
fn create(path: &Path) -> std::io::Result<File> {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Puts a pair in place that was received and not saved. One that is cut short, or was given for another secret, is left:
/// it will be written over.
fn recover(target: &Path, pending: &Path, secret: &Secret) -> Result<bool, Finding> {
    if !is_left_for(pending, secret) {
        return Ok(false);
    }
    std::fs::rename(pending, target).and_then(|()| sync_folder(target)).map_err(|error| {
        let what = format!("{} cannot be put in place: {}", pending.display(), io_words(&error));
        Finding::new(Outcome::CannotSave, what)
    })?;
    Ok(true)
}

/// Whether a whole pair lies there that was given for this secret.
fn is_left_for(pending: &Path, secret: &Secret) -> bool {
    read_secret_file(pending).is_ok_and(|left| {
        left.field("renewed_from") == Some(secret.fingerprint().as_str())
            && left.field("refresh_token").is_some()
    })
}

/// What to do about a pair that was received and could not be saved, by what was in the way.
fn mend(error: &std::io::Error, folder: &Path) -> String {
    use std::io::ErrorKind;
    let folder = folder.display();
    let first = match error.kind() {
        ErrorKind::PermissionDenied => format!("let the user that runs synthex write to {folder}"),
        ErrorKind::ReadOnlyFilesystem => format!("mount {folder} so that it can be written to"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("free space on the disk of {folder}"),
        _ => format!("mend what is in the way in {folder}"),
    };
    format!(
        "{first}, then renew again: the refresh token that is stored stays good until the new one is used"
    )
}

/// A rename is on the disk once the folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

impl Slot for SecretSlot {
    fn has_recovered(&self) -> bool {
        self.has_recovered
    }

    fn save(mut self, text: &Redacted<String>) -> Result<(), Finding> {
        let lost =
            |what: String| Finding::new(Outcome::NotSaved, format!("the new pair was received, and {what}"));
        let folder = self.target.parent().unwrap_or(Path::new("/")).to_path_buf();
        let write = |slot: &mut Self| -> std::io::Result<()> {
            slot.file.write_all(text.expose().as_bytes())?;
            let permissions = std::fs::metadata(&slot.target)?.permissions();
            slot.file.set_permissions(permissions)?;
            slot.file.sync_all()
        };
        write(&mut self).map_err(|error| {
            lost(format!("{} could not be written: {}", self.pending.display(), io_words(&error)))
                .help(mend(&error, &folder))
        })?;
        // Somebody may have stored another secret while we asked for this one.
        let there = read_secret_file(&self.target)
            .map_err(|finding| lost(format!("the old one cannot be read any more: {}", finding.message)))?;
        if there.fingerprint() != self.fingerprint {
            return Err(lost(format!("{} was changed by somebody else meanwhile", self.target.display()))
                .help("look at the file; renew again if what is in it does not work"));
        }
        std::fs::rename(&self.pending, &self.target).and_then(|()| sync_folder(&self.target)).map_err(
            |error| {
                lost(format!("it could not be put in place: {}", io_words(&error)))
                    .help(mend(&error, &folder))
            },
        )
    }
}

impl Drop for SecretSlot {
    /// An empty file beside the secret says nothing to anybody. One with a pair in it is what the next run looks for.
    fn drop(&mut self) {
        if std::fs::metadata(&self.pending).is_ok_and(|metadata| metadata.len() == 0) {
            let _ = std::fs::remove_file(&self.pending);
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_root_hands_to_a_group_is_not_open_and_what_a_user_does_is() {
        const ROOT: u32 = 0;
        for mode in [0o600, 0o400] {
            assert!(!is_open(mode, 1000, 1000) && !is_open(mode, ROOT, ROOT), "{mode:o}");
        }
        assert!(!is_open(0o440, ROOT, 1000) && !is_open(0o640, ROOT, 1000));
        assert!(is_open(0o640, 1000, 1000) && is_open(0o640, ROOT, ROOT) && is_open(0o640, 1000, ROOT));
        for mode in [0o444, 0o644, 0o660, 0o650, 0o601] {
            assert!(is_open(mode, ROOT, 1000), "{mode:o}");
        }
    }

    fn secret(folder: &Path, text: &str, mode: u32) -> PathBuf {
        let path = folder.join("secret.json");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn other_users_are_kept_out() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o660, 0o610] {
            let path = secret(folder.path(), "token", mode);
            let finding = read_secret_file(&path).unwrap_err();
            assert_eq!(finding.outcome, Outcome::SecretOpen);
            assert!(finding.advice().unwrap().contains("chmod 600"), "{finding:?}");
        }
        let path = secret(folder.path(), "token\n", 0o600);
        assert_eq!(read_secret_file(&path).unwrap().token(), Some("token"));
    }

    #[test]
    fn a_secret_is_replaced_whole_and_keeps_its_mode_also_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(folder.path(), r#"{"refresh_token":"r1"}"#, 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let slot = open_secret_slot(&link).unwrap();
        slot.save(&Redacted::new(r#"{"refresh_token":"r2"}"#.to_owned())).unwrap();
        assert_eq!(read_secret_file(&link).unwrap().field("refresh_token"), Some("r2"));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_saved_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(folder.path(), r#"{"refresh_token":"r1"}"#, 0o600);
        drop(open_secret_slot(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pair_that_was_received_is_put_in_place_of_its_own_predecessor_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(folder.path(), r#"{"refresh_token":"r1"}"#, 0o600);
        let from = read_secret_file(&path).unwrap().fingerprint();
        let pending = folder.path().join(".secret.json.renewal");
        let leave = |text: &str| {
            std::fs::write(&pending, text).unwrap();
            std::fs::set_permissions(&pending, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        for stray in
            [r#"{"refresh_token":"r9","renewed_from":"other"}"#, r#"{"refresh_token":"r2","renewed_fr"#, ""]
        {
            leave(stray);
            assert!(!open_secret_slot(&path).unwrap().has_recovered(), "{stray}");
        }
        leave(&format!(r#"{{"refresh_token":"r2","renewed_from":"{from}"}}"#));
        assert!(open_secret_slot(&path).unwrap().has_recovered());
        assert_eq!(read_secret_file(&path).unwrap().field("refresh_token"), Some("r2"));
    }

    #[test]
    fn the_advice_fits_what_was_in_the_way() {
        let advice = |kind: std::io::ErrorKind| mend(&kind.into(), Path::new("/s"));
        assert!(
            advice(std::io::ErrorKind::PermissionDenied).starts_with("let the user that runs synthex write")
        );
        assert!(advice(std::io::ErrorKind::StorageFull).starts_with("free space"));
        assert!(advice(std::io::ErrorKind::ReadOnlyFilesystem).contains("mount"));
    }

    #[test]
    fn what_somebody_else_stored_meanwhile_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = secret(folder.path(), r#"{"refresh_token":"r1"}"#, 0o600);
        let slot = open_secret_slot(&path).unwrap();
        secret(folder.path(), r#"{"refresh_token":"by hand"}"#, 0o600);
        let finding = slot.save(&Redacted::new(r#"{"refresh_token":"r2"}"#.to_owned())).unwrap_err();
        assert_eq!(finding.outcome, Outcome::NotSaved);
        assert_eq!(read_secret_file(&path).unwrap().field("refresh_token"), Some("by hand"));
    }
}
