//! Ids that follow from other ids: what is written again after a crash is the same row again.

use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// An id made from another one and from words (UUID version 8). It begins with the time that the other one begins with, so
/// that rows which are written together lie together.
#[must_use]
pub fn derived_id(base: Uuid, words: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(base.as_bytes());
    for word in words {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word.as_bytes());
    }
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = from;
    }
    for (byte, from) in bytes.iter_mut().zip(base.as_bytes()).take(6) {
        *byte = *from;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_make_the_same_id_and_others_another() {
        let base = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let id = derived_id(base, &["chat", ""]);
        assert_eq!(id, derived_id(base, &["chat", ""]));
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.as_bytes()[..6], base.as_bytes()[..6]);
        for other in
            [derived_id(base, &["cha", "t"]), derived_id(base, &["chat"]), derived_id(id, &["chat", ""])]
        {
            assert_ne!(id, other);
        }
    }
}
