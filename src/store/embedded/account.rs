//! Who runs the server: the caller, or, since PostgreSQL refuses to run as root, an unprivileged user in
//! root's place.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::error::EmbeddedError;

/// The user the server's processes run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// True when this is not the caller: programs are started with a changed user, and folders are handed
    /// over.
    pub(super) switched: bool,
}

impl Account {
    /// Chooses the user: the caller, or as root the owner of the existing data, else `postgres`, else
    /// `nobody`.
    pub(super) fn choose(data: &Path) -> Result<Self, EmbeddedError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Ok(Self {
                uid,
                gid: rustix::process::getegid().as_raw(),
                name: format!("number {uid}"),
                switched: false,
            });
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        // The owner goes before the names: a `postgres` that was created later could not open what `nobody`
        // has made.
        if let Ok(metadata) = std::fs::metadata(data)
            && metadata.uid() != 0
        {
            let name = name_of(&passwd, metadata.uid());
            return Ok(Self { uid: metadata.uid(), gid: metadata.gid(), name, switched: true });
        }
        stand_in_for_root(&passwd).ok_or(EmbeddedError::NoAccount)
    }

    /// A program to run as this user, with nothing of the caller's environment: it may hold secrets, and the
    /// server lives long.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C");
        // Without TZ, initdb reads every file of the time zone database to find the name of the local one.
        command.env("TZ", "UTC").current_dir("/").stdin(Stdio::null());
        if self.switched {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Fails with the first folder on the way to `folder`, itself included, that this user may not pass.
    pub(super) fn must_reach(&self, folder: &Path) -> Result<(), EmbeddedError> {
        let mut way: Vec<&Path> = folder.ancestors().collect();
        way.reverse();
        for step in way {
            let metadata =
                std::fs::metadata(step).map_err(|source| EmbeddedError::io("read", step, source))?;
            let execute = match () {
                () if metadata.uid() == self.uid => 0o100,
                () if metadata.gid() == self.gid => 0o010,
                () => 0o001,
            };
            if metadata.mode() & execute == 0 {
                return Err(EmbeddedError::Unreachable {
                    folder: step.to_path_buf(),
                    account: self.name.clone(),
                });
            }
        }
        Ok(())
    }
}

fn stand_in_for_root(passwd: &str) -> Option<Account> {
    ["postgres", "nobody"].iter().find_map(|wanted| {
        entries(passwd).find(|(name, uid, _)| name == wanted && *uid != 0).map(|(name, uid, gid)| Account {
            uid,
            gid,
            name: name.to_owned(),
            switched: true,
        })
    })
}

fn name_of(passwd: &str, wanted: u32) -> String {
    entries(passwd)
        .find(|(_, uid, _)| *uid == wanted)
        .map_or_else(|| format!("number {wanted}"), |(name, ..)| name.to_owned())
}

fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    // macOS writes `nobody` as -2.
    let number =
        |text: &str| text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned));
    passwd.lines().filter_map(move |line| {
        let mut fields = line.split(':');
        let (name, _password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some((name, number(uid)?, number(gid)?))
    })
}

#[cfg(test)]
pub(super) fn stand_in_for_root_in(passwd: &str) -> Option<(String, u32, u32)> {
    stand_in_for_root(passwd).map(|account| (account.name, account.uid, account.gid))
}
