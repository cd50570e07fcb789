//! Money.

use std::{fmt, ops::Add};

use serde::{Deserialize, Serialize};

/// What model calls cost, in whole nano-dollars (10⁻⁹ US dollars), so that sums are exact.
///
/// A sum with a part that nobody knows the price of is not known: it is *at least* what is known of it. So what is
/// unknown is never taken for free.
///
/// ```
/// use pillion::transcript::Cost;
///
/// let known = Cost::nano_dollars(12_300_000);
/// assert_eq!(known.to_string(), "$0.0123");
/// assert_eq!((known + Cost::UNKNOWN).to_string(), "at least $0.0123");
/// assert_eq!(Cost::UNKNOWN.to_string(), "unknown");
/// assert_eq!((known + known).to_string(), "$0.0246");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// What is known of it.
    pub nano_dollars: u64,
    /// True if something that was counted has no known price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

impl Cost {
    /// Something was called, and nobody knows what it costs.
    pub const UNKNOWN: Self = Self { nano_dollars: 0, at_least: true };

    pub fn nano_dollars(nano_dollars: u64) -> Self {
        Self { nano_dollars, at_least: false }
    }

    /// True if nothing of it is known.
    pub fn is_unknown(self) -> bool {
        self.at_least && self.nano_dollars == 0
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            nano_dollars: self.nano_dollars.saturating_add(other.nano_dollars),
            at_least: self.at_least || other.at_least,
        }
    }
}

/// In dollars: with cents, or, below a dollar, with hundredths of them.
impl fmt::Display for Cost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unknown() {
            return formatter.write_str("unknown");
        }
        if self.at_least {
            formatter.write_str("at least ")?;
        }
        let (digits, unit) = if self.nano_dollars < 1_000_000_000 { (4, 100_000) } else { (2, 10_000_000) };
        // What rounds to nothing was paid nevertheless.
        if self.nano_dollars > 0 && self.nano_dollars < unit {
            return formatter.write_str("less than $0.0001");
        }
        let rounded = self.nano_dollars / unit + u64::from(self.nano_dollars % unit >= unit / 2);
        let whole = 1_000_000_000 / unit;
        write!(formatter, "${}.{:0digits$}", rounded / whole, rounded % whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transcript::Usage;

    #[test]
    fn is_shown_in_dollars() {
        let check = |nano_dollars, expect: &str| assert_eq!(Cost::nano_dollars(nano_dollars).to_string(), expect);
        check(0, "$0.0000");
        check(1, "less than $0.0001");
        check(100_000, "$0.0001");
        check(999_940_000, "$0.9999");
        check(999_960_000, "$1.0000");
        check(1_234_567_890, "$1.23");
        check(1_000_000_000_000_000, "$1000000.00");
    }

    #[test]
    fn an_unknown_part_makes_a_sum_unknown_and_never_free() {
        let call = |cost| Usage { output_tokens: Some(1), cost: Some(cost), ..Usage::default() };
        let mut sum = Usage::default();
        sum += call(Cost::nano_dollars(5));
        assert_eq!(sum.cost, Some(Cost::nano_dollars(5)));
        sum += call(Cost::UNKNOWN);
        sum += call(Cost::nano_dollars(5));
        assert_eq!(sum.cost, Some(Cost { nano_dollars: 10, at_least: true }));
        assert_eq!(sum.output_tokens, Some(3));
        let mut unknown = Usage::default();
        unknown += call(Cost::UNKNOWN);
        assert!(unknown.cost.is_some_and(Cost::is_unknown));
    }

    proptest! {
        #[test]
        fn sums_are_exact_in_any_order(mut parts in prop::collection::vec((0..u64::from(u32::MAX), any::<bool>()), 0..20)) {
            let sum = |parts: &[(u64, bool)]| {
                let costs = parts.iter().map(|&(nano_dollars, at_least)| Cost { nano_dollars, at_least });
                costs.fold(Cost::nano_dollars(0), Add::add)
            };
            let forth = sum(&parts);
            parts.reverse();
            prop_assert_eq!(forth, sum(&parts));
            prop_assert_eq!(forth.nano_dollars, parts.iter().map(|(nano, _)| nano).sum::<u64>());
        }
    }
}
