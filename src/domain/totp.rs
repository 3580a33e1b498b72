//! Codes of authenticator apps (RFC 6238: HMAC-SHA-1, 30 seconds, six digits) and the backup codes beside them. Whether a
//! code was used before only a store knows; which methods an account has is decided in `service::second_factor`.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::time::Timestamp;

/// Milliseconds for which a code stands.
pub const STEP_MS: i64 = 30_000;
/// Digits of a code.
const DIGITS: usize = 6;
/// Ten to the power of [`DIGITS`].
const MODULUS: u32 = 1_000_000;

/// What an authenticator app and the server share. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Vec<u8>);

impl TotpSecret {
    /// Reads the stored form: base32, with or without padding, in letters of either case. `None` for anything else and
    /// for nothing at all, because everybody knows the codes of an empty secret.
    pub fn from_base32(text: &str) -> Option<Self> {
        let letters: String = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '=').collect();
        let bytes = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes()).ok()?;
        (!bytes.is_empty()).then_some(Self(bytes))
    }

    /// The code of a step: which 30 seconds since 1970.
    pub fn code(&self, step: i64) -> String {
        format!("{:0DIGITS$}", self.number(step))
    }

    /// The step that `code` stands for, among those that begin at most `window` steps away from the one of `now`; the
    /// latest when there are several.
    pub fn matching_step(&self, code: &str, now: Timestamp, window: i64) -> Option<i64> {
        let present = now.as_millis().div_euclid(STEP_MS);
        // Every step is compared, so that the time it takes says nothing about which was near.
        let fits = |step: i64| bool::from(self.code(step).as_bytes().ct_eq(code.as_bytes()));
        let steps = present.saturating_sub(window)..=present.saturating_add(window);
        steps.fold(None, |found, step| if fits(step) { Some(step) } else { found })
    }

    /// Dynamic truncation (RFC 4226, 5.3).
    fn number(&self, step: i64) -> u32 {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&self.0) else {
            // HMAC takes keys of any length.
            return MODULUS;
        };
        mac.update(&step.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let offset = digest.last().map_or(0, |byte| usize::from(byte & 0x0f));
        let word = digest.iter().skip(offset).take(4).fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        (word & 0x7fff_ffff) % MODULUS
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

/// Whether a text has the form of an app's code; anything else can only be a backup code.
pub fn is_totp_code(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is stored of a backup code: the lower-case hexadecimal SHA-256 of it. Never shown: codes are short enough to be
/// found by trying.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupCodeHash(String);

impl BackupCodeHash {
    /// Of a code as its owner enters it.
    pub fn of(code: &str) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(code.as_bytes())))
    }

    /// The hash, for the store alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BackupCodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupCodeHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the examples in RFC 4226 and RFC 6238, `12345678901234567890`.
    const EXAMPLE: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn secret() -> TotpSecret {
        TotpSecret::from_base32(EXAMPLE).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standards() {
        // RFC 4226, appendix D.
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, code) in (0..).zip(codes) {
            assert_eq!(secret().code(step), code);
        }
        // RFC 6238, appendix B, without the first two of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = Timestamp::from_millis(seconds * 1_000);
            assert_eq!(secret().matching_step(code, now, 0), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_counts_as_far_as_the_window_goes_and_no_further() {
        let (secret, step) = (secret(), 1_000_000);
        let code = secret.code(step);
        let at = |steps: i64, millis: i64| Timestamp::from_millis((step + steps) * STEP_MS + millis);
        assert_eq!(secret.matching_step(&code, at(-1, 0), 1), Some(step));
        assert_eq!(secret.matching_step(&code, at(1, STEP_MS - 1), 1), Some(step));
        assert_eq!(secret.matching_step(&code, at(-1, -1), 1), None);
        assert_eq!(secret.matching_step(&code, at(2, 0), 1), None);
        assert_eq!(secret.matching_step(&code, at(1, 0), 0), None);
    }

    #[test]
    fn what_is_no_code_of_the_secret_matches_nothing() {
        let now = Timestamp::from_millis(59_000);
        for code in ["", "28708", "2870820", "287083", "+28708", "２８７０８２", "287082 "] {
            assert_eq!(secret().matching_step(code, now, 1), None, "{code}");
        }
    }

    #[test]
    fn a_secret_is_read_in_every_form_it_is_written_in_and_never_empty() {
        for text in [
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
        ] {
            assert_eq!(TotpSecret::from_base32(text), Some(secret()));
        }
        assert!(TotpSecret::from_base32("MFRGG===").is_some(), "padding is no letter");
        for text in ["", "====", "not base32!", "GEZ1"] {
            assert_eq!(TotpSecret::from_base32(text), None, "{text}");
        }
    }

    #[test]
    fn six_digits_are_an_apps_code_and_nothing_else_is() {
        assert!(is_totp_code("000000"));
        for text in ["", "12345", "1234567", "12345a", "１２３４５６"] {
            assert!(!is_totp_code(text), "{text}");
        }
    }

    #[test]
    fn a_backup_code_is_stored_as_its_sha256() {
        // printf abc | sha256sum
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(BackupCodeHash::of("abc").expose(), expected);
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let shown = format!("{:?} {:?}", secret(), BackupCodeHash::of("abc"));
        assert_eq!(shown, "TotpSecret(…) BackupCodeHash(…)");
    }
}
