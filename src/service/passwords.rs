//! Passwords as Rocket.Chat stores them: bcrypt of the lower-case hexadecimal SHA-256 (contract 2.3). Hashing is slow by
//! design, so it runs beside the request threads and only so many at a time.

use std::fmt::Write as _;
use std::str::FromStr as _;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::{Result, ServiceError};
use crate::domain::user::PasswordHash;

/// How many passwords are hashed at the same time; more would only take the processors from everybody else.
const CONCURRENT: usize = 2;

/// Lower-case hexadecimal SHA-256 of a password: what clients that hash before sending send. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest(String);

impl PasswordDigest {
    /// Of a password in clear text.
    pub fn of(password: &str) -> Self {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(password.as_bytes()) {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    /// What a client computed itself.
    pub fn from_client(digest: &str) -> Self {
        Self(digest.to_owned())
    }
}

/// The hasher.
pub struct Passwords {
    cost: u32,
    permits: Semaphore,
    #[cfg(feature = "fault-injection")]
    decoy: bool,
}

impl Passwords {
    /// A hasher of that bcrypt cost (the logarithm of its work; 4 to 31).
    pub fn new(cost: u32) -> Self {
        Self {
            cost,
            permits: Semaphore::new(CONCURRENT),
            #[cfg(feature = "fault-injection")]
            decoy: true,
        }
    }

    /// One that does nothing where there is no hash, for the control of `benches/src/promises/cases/login_timing.rs`.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn without_decoy(self) -> Self {
        Self { decoy: false, ..self }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// `Internal` when the hasher cannot run.
    pub async fn hash(&self, digest: PasswordDigest) -> Result<PasswordHash> {
        let cost = self.cost;
        self.run(move || hash(&digest, cost)).await
    }

    /// Whether the password fits. Without a stored hash it takes the same time and the answer is no, so that an unknown
    /// name cannot be told from a wrong password by the clock; nor can an account whose hash was made at a lower cost.
    ///
    /// # Errors
    /// `Internal` when the hasher cannot run. A stored text that is no bcrypt hash fits nothing.
    pub async fn verify(&self, stored: Option<PasswordHash>, digest: PasswordDigest) -> Result<bool> {
        #[cfg(feature = "fault-injection")]
        if stored.is_none() && !self.decoy {
            return Ok(false);
        }
        let cost = self.cost;
        self.run(move || Ok(verify(stored.as_ref(), &digest, cost))).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let stopped = |what: &str| ServiceError::Internal(format!("the password hasher {what}"));
        let _permit = self.permits.acquire().await.map_err(|_| stopped("is closed"))?;
        tokio::task::spawn_blocking(work).await.map_err(|_| stopped("stopped"))?
    }
}

/// As much work as hashing at `cost` is, whatever is stored.
fn verify(stored: Option<&PasswordHash>, digest: &PasswordDigest, cost: u32) -> bool {
    let compared = stored.and_then(|stored| {
        let fits = bcrypt::verify(&digest.0, stored.expose()).ok()?;
        Some((fits, bcrypt::HashParts::from_str(stored.expose()).ok()?.get_cost()))
    });
    // Each step is twice the work of the one below, so that those from `done` up make, with what is done, the whole.
    let missing = compared.map_or(cost..cost + 1, |(_, done)| done..cost);
    for cost in missing {
        // A salt and an end that belong to no password in use; only the work of comparing with them matters.
        let decoy = format!("$2b${cost:02}$vW7sUumodNa0b1g2/04E.eRzncdNOcmIL0npA7oR15DrCxWqwI5aC");
        let _ = bcrypt::verify(&digest.0, &decoy);
    }
    compared.is_some_and(|(fits, _)| fits)
}

fn hash(digest: &PasswordDigest, cost: u32) -> Result<PasswordHash> {
    let text = bcrypt::hash(&digest.0, cost).map_err(|error| ServiceError::Internal(error.to_string()))?;
    Ok(PasswordHash::from_stored(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_that_another_implementation_wrote_fits_its_password() {
        // Python: bcrypt.hashpw(hashlib.sha256(b"correct horse").hexdigest().encode(), bcrypt.gensalt(10))
        let stored = PasswordHash::from_stored("$2b$10$vW7sUumodNa0b1g2/04E.eRzncdNOcmIL0npA7oR15DrCxWqwI5aC");
        let passwords = Passwords::new(10);
        assert!(passwords.verify(Some(stored.clone()), PasswordDigest::of("correct horse")).await.unwrap());
        let sent_by_a_client = PasswordDigest::from_client(&PasswordDigest::of("correct horse").0);
        assert!(passwords.verify(Some(stored.clone()), sent_by_a_client).await.unwrap());
        assert!(!passwords.verify(Some(stored), PasswordDigest::of("wrong")).await.unwrap());
    }

    #[tokio::test]
    async fn a_new_hash_has_the_stored_form() {
        let passwords = Passwords::new(10);
        let stored = passwords.hash(PasswordDigest::of("x")).await.unwrap();
        assert!(stored.expose().starts_with("$2b$10$"));
        assert!(passwords.verify(Some(stored), PasswordDigest::of("x")).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_fits_its_password_alone() {
        for (then, now) in [(4, 6), (6, 4)] {
            let stored = Passwords::new(then).hash(PasswordDigest::of("x")).await.unwrap();
            let passwords = Passwords::new(now);
            assert!(passwords.verify(Some(stored.clone()), PasswordDigest::of("x")).await.unwrap());
            // What it is made up with is no way in.
            let decoy = PasswordDigest::of("correct horse");
            assert!(!passwords.verify(Some(stored), decoy).await.unwrap());
        }
    }

    #[tokio::test]
    async fn nobody_and_a_broken_hash_fit_nothing() {
        let passwords = Passwords::new(10);
        // The password of the dummy itself does not open anything either.
        assert!(!passwords.verify(None, PasswordDigest::of("correct horse")).await.unwrap());
        let broken = PasswordHash::from_stored("not a hash");
        assert!(!passwords.verify(Some(broken), PasswordDigest::of("x")).await.unwrap());
    }

    #[test]
    fn the_digest_is_lower_case_hexadecimal_sha256() {
        assert_eq!(PasswordDigest::of("abc").0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
