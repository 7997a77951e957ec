//! CRC-32C (Castagnoli), by which Secret Manager tells whether a secret arrived as it was sent.

const POLYNOMIAL: u32 = 0x82F6_3B78;

/// The checksum.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_vectors() {
        assert_eq!(crc32c(b"123456789"), 3_808_858_755);
        assert_eq!(crc32c(b"s3cr3t-token"), 359_550_452);
        assert_eq!(crc32c(b""), 0);
    }
}
