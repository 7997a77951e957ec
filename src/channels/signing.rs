//! Signatures as Standard Webhooks has them: HMAC-SHA256 over the id, the time of the attempt and the body, so that a receiver
//! knows who sent it, that nothing was changed, and that it is not sent again by somebody else later.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::engine::delivery::Failure;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// A key to sign with.
pub struct Key(hmac::Key);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads a secret: `whsec_` and Base64 of 24 to 64 bytes (M-W3).
    ///
    /// # Errors
    /// It is none. Nothing of it is repeated.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::permanent(
                "bad_secret",
                format!(
                    "the signing secret cannot be used: {why}; make one with: echo whsec_$(openssl rand -base64 32)"
                ),
            )
        };
        let encoded =
            text.trim().strip_prefix(PREFIX).ok_or_else(|| wrong("it does not begin with whsec_"))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| wrong("what is behind whsec_ is no Base64"))?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(wrong(&format!("it has {} bytes, not 24 to 64", bytes.len())));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The header with the signatures of all keys, in their order.
#[must_use]
pub fn signatures(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    keys.iter().map(|key| key.sign(id, timestamp, body)).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const SECOND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn signatures_are_those_of_the_standard() {
        let sign =
            |key: &str, id, at, body: &str| signatures(&[Key::read(key).unwrap()], id, at, body.as_bytes());
        assert_eq!(
            sign(
                FIRST,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#
            ),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        assert_eq!(
            sign(SECOND, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn while_a_secret_is_replaced_there_are_two_the_newest_first() {
        let keys = [Key::read(FIRST).unwrap(), Key::read(SECOND).unwrap()];
        let both = signatures(&keys, "id", 1, b"{}");
        let [one, two] = keys.map(|key| signatures(&[key], "id", 1, b"{}"));
        assert_eq!(both, format!("{one} {two}"));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7_u8; bytes]));
        for bad in ["", "canary-secret-value", "whsec_canary*", "whsec_", &of(23), &of(65)] {
            let failure = Key::read(bad).unwrap_err();
            assert!(failure.is_permanent && failure.code == "bad_secret", "{failure:?}");
            assert!(bad.len() < 8 || !failure.what.contains(bad), "{failure:?}");
        }
        for good in [24, 32, 64] {
            assert!(Key::read(&of(good)).is_ok());
        }
    }
}
