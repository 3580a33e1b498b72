//! From single times to figures: quantiles within a round, medians and spread over the rounds. Where the times come from
//! is in `client` and `baseline`.

use std::time::Duration;

use serde::Serialize;

/// What one half of one round gave.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// How long each operation took.
    pub times: Vec<Duration>,
    /// How long all of them took together.
    pub elapsed: Duration,
}

/// One side of a comparison, over all rounds. Times are in microseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Side {
    /// Median over the rounds of their medians.
    pub p50: f64,
    /// Median over the rounds of their 99th percentiles.
    pub p99: f64,
    /// Median over the rounds of operations in a second.
    pub per_second: f64,
    /// The slowest and the fastest round, in operations in a second.
    pub slowest: f64,
    /// See `slowest`.
    pub fastest: f64,
    /// Operations of all rounds.
    pub operations: usize,
}

impl Side {
    /// Puts the rounds together.
    pub fn of(rounds: &[Round]) -> Self {
        let rates: Vec<f64> = rounds.iter().map(Round::per_second).collect();
        Self {
            p50: median(rounds.iter().map(|round| round.quantile(0.5)).collect()),
            p99: median(rounds.iter().map(|round| round.quantile(0.99)).collect()),
            per_second: median(rates.clone()),
            slowest: rates.iter().copied().fold(f64::INFINITY, f64::min),
            fastest: rates.iter().copied().fold(0.0, f64::max),
            operations: rounds.iter().map(|round| round.times.len()).sum(),
        }
    }
}

impl Round {
    /// Operations in a second.
    pub fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The time, in microseconds, that this part of the operations did not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        quantile(&self.times, part)
    }
}

/// The time, in microseconds, that this part of the times did not exceed.
pub fn quantile(times: &[Duration], part: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    let at = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1).min(last);
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// The middle one, or what is between the two in the middle.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match (numbers.get(middle.wrapping_sub(1)), numbers.get(middle)) {
        (Some(below), Some(above)) if numbers.len().is_multiple_of(2) => f64::midpoint(*below, *above),
        (_, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(millis: &[u64]) -> Round {
        let times: Vec<Duration> = millis.iter().copied().map(Duration::from_millis).collect();
        Round { elapsed: times.iter().sum(), times }
    }

    #[test]
    fn the_middle_of_some_numbers() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![7.0]), 7.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(round(&hundred).quantile(0.5), 50_000.0);
        assert_eq!(round(&hundred).quantile(0.99), 99_000.0);
        assert_eq!(round(&[5]).quantile(0.99), 5_000.0);
        assert!(round(&[]).quantile(0.5).is_nan());
    }

    #[test]
    fn one_slow_round_does_not_move_the_figures() {
        let side = Side::of(&[round(&[10, 10]), round(&[10, 10]), round(&[1_000, 1_000])]);
        assert_eq!((side.p50, side.per_second.round()), (10_000.0, 100.0));
        assert_eq!((side.slowest.round(), side.fastest.round(), side.operations), (1.0, 100.0, 6));
    }
}
