//! What is wrong with a certificate, in words of the people who can mend it.

use chrono::{DateTime, Utc};
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// Said where nobody who is trusted stands behind a certificate, which is the one thing that trusting somebody else mends.
pub const UNTRUSTED: &str = "nobody who is trusted here has signed its certificate";

/// What is wrong with a certificate, of which the server is to be the subject.
#[must_use]
pub fn words(error: &CertificateError) -> String {
    match error {
        // An authority by the same name as one that is trusted has signed it, or nobody has.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => UNTRUSTED.to_owned(),
        CertificateError::NotValidForName => "its certificate is of another name".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).take(5).collect();
            match names.as_slice() {
                [] => "its certificate is of no name at all".to_owned(),
                names => format!("its certificate is of another name: {}", names.join(", ")),
            }
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate has expired{}", date(", at ", *not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid yet{}", date(", but from ", *not_before))
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        CertificateError::BadEncoding => "its certificate cannot be read".to_owned(),
        other => format!("its certificate cannot be used: {other}"),
    }
}

/// `DnsName("mail.example")` as it is written elsewhere.
fn plain_name(name: &str) -> &str {
    name.split_once('"').and_then(|(_, rest)| rest.split_once('"')).map_or(name, |(name, _)| name)
}

fn date(before: &str, at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let at: Option<DateTime<Utc>> = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    at.map_or_else(String::new, |at| format!("{before}{}", at.format("%Y-%m-%d %H:%M UTC")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_and_dates_are_said_and_no_jargon() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let over = CertificateError::ExpiredContext { time: at(200_000), not_after: at(86_400) };
        assert_eq!(words(&over), "its certificate has expired, at 1970-01-02 00:00 UTC");
        let presented = vec!["DnsName(\"other.example\")".to_owned()];
        let expected = "localhost".try_into().unwrap();
        let other = CertificateError::NotValidForNameContext { expected, presented };
        assert_eq!(words(&other), "its certificate is of another name: other.example");
        assert_eq!(words(&CertificateError::UnknownIssuer), UNTRUSTED);
    }
}
