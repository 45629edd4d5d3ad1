//! Prices and costs, exact: integers of 10⁻¹² US dollars, never floating point.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

const PICO_PER_USD: u128 = 1_000_000_000_000;
const FRACTION_DIGITS: usize = 6;
/// A price above this, in whole USD per million tokens, is taken for a slip of the pen.
const MAX_WHOLE: u64 = 1_000_000;

/// A price in US dollars per million tokens with at most six decimals, kept as 10⁻¹² USD per token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(u64);

/// A text that is no price.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "expected US dollars per million tokens as a decimal of at most 6 places and at most 1000000, like \"5.00\"; found {0:?}"
)]
pub struct RateError(String);

/// What one model costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// Uncached input.
    pub input: Rate,
    /// Output.
    pub output: Rate,
    /// Input written to a cache of five minutes.
    pub cache_write: Rate,
    /// Input written to a cache of one hour.
    pub cache_write_1h: Rate,
    /// Input read from a cache.
    pub cache_read: Rate,
}

/// An amount of money in 10⁻¹² US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u128);

impl Rate {
    /// 10⁻¹² US dollars per token.
    pub const fn pico_usd_per_token(self) -> u64 {
        self.0
    }

    fn of(self, tokens: u64) -> Cost {
        Cost(u128::from(self.0) * u128::from(tokens)) // at most 2^40 * 2^64
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let written_well = !whole.is_empty() && !fraction.is_empty() && digits(whole) && digits(fraction);
        if !written_well || fraction.len() > FRACTION_DIGITS {
            return Err(RateError(text.to_owned()));
        }
        let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= MAX_WHOLE);
        let fraction = format!("{fraction:0<FRACTION_DIGITS$}").parse::<u64>().ok();
        let (Some(whole), Some(fraction)) = (whole, fraction) else {
            return Err(RateError(text.to_owned()));
        };
        // One USD per million tokens is 10^-6 USD per token, which is 10^6 of our units.
        Ok(Self(whole * 1_000_000 + fraction))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl PriceList {
    /// What `usage` costs, without rounding.
    pub fn cost(&self, usage: &Usage) -> Cost {
        [
            self.input.of(usage.input),
            self.output.of(usage.output),
            self.cache_write.of(usage.cache_write),
            self.cache_write_1h.of(usage.cache_write_1h),
            self.cache_read.of(usage.cache_read),
        ]
        .into_iter()
        .sum()
    }
}

impl Cost {
    /// 10⁻¹² US dollars.
    pub const fn pico_usd(self) -> u128 {
        self.0
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// US dollars with twelve decimals.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:012}", self.0 / PICO_PER_USD, self.0 % PICO_PER_USD)
    }
}

#[cfg(test)]
mod tests;
