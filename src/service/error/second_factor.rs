//! Why a second factor stands in the way, at log-in and at the endpoints that ask for one.

use crate::service::second_factor::Method;

/// What is wrong with the second factor, or with its absence (contract 2.5 and 2.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactorRefusal {
    /// What is wrong.
    pub problem: SecondFactorProblem,
    /// The method that is asked for.
    pub method: Method,
    /// Every method that the account has switched on.
    pub available: Vec<Method>,
}

/// What is wrong with a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorProblem {
    /// None was sent.
    Required,
    /// It is not right, or not right any more.
    Invalid,
    /// Too many were not right; the next one is not looked at.
    TooManyAttempts,
}
