//! Files that are not to be edited: JSON whose last member is a checksum of every byte before it.

use crate::model::Digest;

const CHECKSUM: &str = ",\"checksum\":\"";

/// Closes an open JSON object with a checksum of all that is in it so far.
#[must_use]
pub fn seal(mut open: String) -> String {
    let checksum = Digest::of(open.as_bytes());
    open.push_str(&format!("{CHECKSUM}{checksum}\"}}\n"));
    open
}

/// The open JSON object within a sealed file; `None` when any byte is not what was written.
#[must_use]
pub fn unseal(text: &str) -> Option<&str> {
    let at = text.rfind(CHECKSUM)?;
    let checksum = Digest::of(&text.as_bytes()[..at]);
    (text[at..] == format!("{CHECKSUM}{checksum}\"}}\n")).then(|| &text[..at])
}

/// The number behind the first member of a file, which names its format: `{"synthex_plan":1,...`.
#[must_use]
pub fn version(text: &str, member: &str) -> Option<u32> {
    let rest = text.strip_prefix("{\"")?.strip_prefix(member)?.strip_prefix("\":")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}
