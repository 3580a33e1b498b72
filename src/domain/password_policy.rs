//! What the workspace asks of a new password: a pure judgement that names every rule that is not met. Where the rules
//! come from is the business of `service::settings`; passwords that exist already are never judged.

/// The rules. What is absent is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Whether there are rules at all.
    pub enabled: bool,
    /// Characters at least.
    pub least: Option<usize>,
    /// Characters at most.
    pub most: Option<usize>,
    /// How often the same character may stand in a row.
    pub repeating: Option<usize>,
    /// One of `a-z`.
    pub lowercase: bool,
    /// One of `A-Z`.
    pub uppercase: bool,
    /// One of `0-9`.
    pub number: bool,
    /// One that is none of these and no space.
    pub special: bool,
}

/// A rule that a password does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// It is too short.
    TooShort,
    /// It is too long.
    TooLong,
    /// A character stands too often in a row.
    Repeating,
    /// It has none of `a-z`.
    NoLowercase,
    /// It has none of `A-Z`.
    NoUppercase,
    /// It has none of `0-9`.
    NoNumber,
    /// It has nothing but those and spaces.
    NoSpecial,
}

/// Why a password is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeakPassword {
    /// It has nothing but white space, which no workspace wants.
    Blank,
    /// These rules are not met.
    Violates(Vec<Violation>),
}

impl PasswordPolicy {
    /// Judges a new password.
    ///
    /// # Errors
    /// [`WeakPassword`] with every rule that is not met, in the order of the rules.
    pub fn judge(&self, password: &str) -> Result<(), WeakPassword> {
        if password.trim().is_empty() {
            return Err(WeakPassword::Blank);
        }
        if !self.enabled {
            return Ok(());
        }
        // Lengths as JavaScript counts them, so that clients that judge beforehand come to the same result.
        let length = password.encode_utf16().count();
        let has = |wanted: fn(&char) -> bool| password.chars().any(|character| wanted(&character));
        let rules = [
            (self.least.is_some_and(|least| length < least), Violation::TooShort),
            (self.most.is_some_and(|most| length > most), Violation::TooLong),
            (self.repeating.is_some_and(|most| longest_run(password) > most), Violation::Repeating),
            (self.lowercase && !has(char::is_ascii_lowercase), Violation::NoLowercase),
            (self.uppercase && !has(char::is_ascii_uppercase), Violation::NoUppercase),
            (self.number && !has(char::is_ascii_digit), Violation::NoNumber),
            (self.special && !has(is_special), Violation::NoSpecial),
        ];
        let violated: Vec<_> = rules.into_iter().filter(|(broken, _)| *broken).map(|(_, rule)| rule).collect();
        if violated.is_empty() { Ok(()) } else { Err(WeakPassword::Violates(violated)) }
    }
}

const fn is_special(character: &char) -> bool {
    !character.is_ascii_alphanumeric() && *character != ' '
}

/// How often the most repeated character stands in a row.
fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut last) = (0, 0, None);
    for character in text.chars() {
        run = if last == Some(character) { run + 1 } else { 1 };
        longest = longest.max(run);
        last = Some(character);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strict() -> PasswordPolicy {
        PasswordPolicy {
            enabled: true,
            least: Some(8),
            most: Some(12),
            repeating: Some(3),
            lowercase: true,
            uppercase: true,
            number: true,
            special: true,
        }
    }

    #[test]
    fn each_rule_is_told_by_itself_and_several_together() {
        use Violation::{NoLowercase, NoNumber, NoSpecial, NoUppercase, Repeating, TooLong, TooShort};
        for (password, expected) in [
            ("aB3$efg", vec![TooShort]),
            ("aB3$efghijklm", vec![TooLong]),
            ("aB3$eeee", vec![Repeating]),
            ("AB3$EFGH", vec![NoLowercase]),
            ("ab3$efgh", vec![NoUppercase]),
            ("aBc$efgh", vec![NoNumber]),
            ("aB3 efgh", vec![NoSpecial]),
            ("aaaa", vec![TooShort, Repeating, NoUppercase, NoNumber, NoSpecial]),
        ] {
            assert_eq!(strict().judge(password), Err(WeakPassword::Violates(expected)), "{password}");
        }
        for password in ["aB3$efgh", "aB3$efghijkl", "aB3$eee fff", "aB3ßefgh"] {
            assert_eq!(strict().judge(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn a_blank_password_is_refused_without_any_rules() {
        let none = PasswordPolicy::default();
        assert_eq!(none.judge(" \t"), Err(WeakPassword::Blank));
        assert_eq!(none.judge("x"), Ok(()));
    }

    proptest! {
        #[test]
        fn switching_a_rule_off_never_refuses_more(password in "[ -~]{1,20}", enabled: bool, lowercase: bool, special: bool) {
            let laxer = PasswordPolicy { enabled, lowercase, special, ..strict() };
            prop_assert!(strict().judge(&password).is_err() || laxer.judge(&password).is_ok());
        }
    }
}
