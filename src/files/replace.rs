//! Replaces files that were read before: all of them, or none.

use std::path::{Path, PathBuf};

use super::write::{WriteError, write_atomically};

/// A file, what it held when it was read, and what it is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The file; a link stays one, and what it leads to is replaced.
    pub path: &'a Path,
    /// What it held.
    pub old: &'a [u8],
    /// What it is to hold; nothing where it is to go.
    pub new: Option<&'a [u8]>,
}

/// Why a file is not replaced that holds something else than it did.
pub const CHANGED: &str = "it was changed by somebody else just now";

/// A new text that lies ready beside its file.
struct Staged<'a> {
    real: PathBuf,
    beside: Option<PathBuf>,
    old: &'a [u8],
}

/// Replaces files, keeping their rights. They are all written beside their targets first, and then renamed one after the
/// other; should a rename fail, those before it are taken back.
///
/// # Errors
/// A file cannot be written, or holds something else by now. All of them hold what they held.
pub fn replace_all(files: &[Replacement<'_>]) -> Result<(), WriteError> {
    let mut staged = Vec::new();
    let outcome = files.iter().try_for_each(|file| {
        staged.push(stage(file)?);
        Ok(())
    });
    let outcome = outcome.and_then(|()| commit(&staged));
    for beside in staged.iter().filter_map(|staged| staged.beside.as_ref()) {
        // What was renamed is no longer there.
        let _ = std::fs::remove_file(beside);
    }
    outcome
}

fn stage<'a>(file: &Replacement<'a>) -> Result<Staged<'a>, WriteError> {
    let fail = |source: std::io::Error| WriteError { path: file.path.to_path_buf(), source };
    let real = file.path.canonicalize().map_err(fail)?;
    if std::fs::read(&real).map_err(fail)? != file.old {
        return Err(fail(std::io::Error::other(CHANGED)));
    }
    let Some(new) = file.new else { return Ok(Staged { real, beside: None, old: file.old }) };
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = real.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let rights = std::fs::metadata(&real).map_err(fail)?.permissions();
    let written = write_atomically(&beside, new);
    let written = written.and_then(|()| std::fs::set_permissions(&beside, rights).map_err(fail));
    match written {
        Ok(()) => Ok(Staged { real, beside: Some(beside), old: file.old }),
        Err(error) => {
            let _ = std::fs::remove_file(&beside);
            Err(WriteError { path: file.path.to_path_buf(), source: error.source })
        }
    }
}

fn commit(staged: &[Staged<'_>]) -> Result<(), WriteError> {
    for (index, file) in staged.iter().enumerate() {
        let done = match &file.beside {
            Some(beside) => std::fs::rename(beside, &file.real),
            None => std::fs::remove_file(&file.real),
        };
        if let Err(source) = done {
            for earlier in &staged[..index] {
                if let Err(error) = write_atomically(&earlier.real, earlier.old) {
                    tracing::warn!(error = %error, path = %earlier.real.display(), "a file could not be put back");
                }
            }
            return Err(WriteError { path: file.real.clone(), source });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(path: &'a Path, old: &'a str, new: Option<&'a str>) -> Replacement<'a> {
        Replacement { path, old: old.as_bytes(), new: new.map(str::as_bytes) }
    }

    #[test]
    fn all_are_replaced_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| folder.path().join(name)).collect();
        for path in &paths {
            std::fs::write(path, "old").unwrap();
        }
        let texts = || -> Vec<Option<String>> {
            paths.iter().map(|path| std::fs::read_to_string(path).ok()).collect()
        };
        let both = [file(&paths[0], "old", Some("new")), file(&paths[1], "other", None)];
        let error = replace_all(&both).unwrap_err();
        assert!(error.source.to_string().contains("somebody else"), "{error:?}");
        assert_eq!(texts(), vec![Some("old".to_owned()); 3]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left over");
        replace_all(&[file(&paths[0], "old", Some("new")), file(&paths[1], "old", None)]).unwrap();
        assert_eq!(texts(), [Some("new".to_owned()), None, Some("old".to_owned())]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_rename_that_fails_takes_the_earlier_ones_back() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "old").unwrap();
        std::fs::write(folder.path().join("new"), "new").unwrap();
        let staged = [
            Staged { real: one.clone(), beside: Some(folder.path().join("new")), old: b"old" },
            Staged { real: two.clone(), beside: None, old: b"" },
        ];
        assert_eq!(commit(&staged).unwrap_err().path, two);
        assert_eq!(std::fs::read_to_string(&one).unwrap(), "old");
    }

    #[cfg(unix)]
    #[test]
    fn rights_and_links_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        replace_all(&[file(&link, "old", Some("new"))]).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
