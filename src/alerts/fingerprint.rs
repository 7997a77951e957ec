//! What makes an alert this one: SHA-256 over its sorted identity labels (M-L4). Severity and threshold are no part of it, so
//! an alert that becomes worse stays the same alert.

use uuid::Uuid;

use crate::model::Digest;
use crate::model::digest::DigestWriter;

use super::alert::AlertKind;

/// What an alert is known again by.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The rule; empty where none covers it.
    pub rule: &'a str,
    /// What sort of thing is wrong.
    pub kind: AlertKind,
    /// The tenant; empty where it is about none.
    pub tenant: &'a str,
    /// What it is about: an id where it has one, so that it stays through renames; else a name.
    pub subject: &'a str,
}

impl Identity<'_> {
    /// The fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        fingerprint(vec![
            ("workspace", self.workspace),
            ("rule", self.rule),
            ("kind", self.kind.code()),
            ("tenant", self.tenant),
            ("subject", self.subject),
        ])
    }
}

/// The fingerprint of labels, in whatever order they come.
#[must_use]
pub fn fingerprint(mut labels: Vec<(&str, &str)>) -> Digest {
    labels.sort_unstable();
    let mut writer = DigestWriter::default();
    for (name, value) in labels {
        writer.field(name.as_bytes()).field(value.as_bytes());
    }
    writer.finish()
}

/// An id of version 7 (RFC 9562) that is the same for the same seed, words and time: an evaluation makes ids without
/// randomness of its own.
#[must_use]
pub fn id_of(seed: Uuid, parts: &[&[u8]], milliseconds: i64) -> Uuid {
    let mut writer = DigestWriter::default();
    writer.field(seed.as_bytes());
    for part in parts {
        writer.field(part);
    }
    let digest = writer.finish();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[..6].copy_from_slice(&milliseconds.to_be_bytes()[2..]);
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Identity<'static> =
        Identity { workspace: "w", rule: "r", kind: AlertKind::CredentialExpiry, tenant: "T", subject: "c" };

    #[test]
    fn the_order_of_labels_does_not_matter_and_each_of_them_does() {
        let labels = vec![("a", "1"), ("b", "2"), ("c", "3")];
        let reversed: Vec<_> = labels.iter().rev().copied().collect();
        assert_eq!(fingerprint(labels), fingerprint(reversed));
        let others = [
            Identity { workspace: "v", ..ONE },
            Identity { rule: "", ..ONE },
            Identity { kind: AlertKind::RenewalFailed, ..ONE },
            Identity { tenant: "U", ..ONE },
            Identity { subject: "d", ..ONE },
            Identity { tenant: "c", subject: "T", ..ONE },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), ONE.fingerprint(), "{other:?}");
        }
    }

    #[test]
    fn it_is_the_same_tomorrow() {
        // What is in databases already must be known again by every later version.
        assert_eq!(
            ONE.fingerprint().to_hex(),
            "6ed750f95c5ee487312aba8a5bb58d8a6cc1bd2a418a005d1039579b5056c53b"
        );
    }

    #[test]
    fn ids_are_of_version_7_and_carry_the_time() {
        let id = id_of(Uuid::nil(), &[b"a"], 1_700_000_000_123);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
        assert_eq!(id, id_of(Uuid::nil(), &[b"a"], 1_700_000_000_123));
        assert_ne!(id, id_of(Uuid::nil(), &[b"b"], 1_700_000_000_123));
        assert_ne!(id, id_of(Uuid::max(), &[b"a"], 1_700_000_000_123));
    }
}
