//! What is known of models: how much they read and write, what that costs, and what they take of what they can be asked.
//!
//! What is not in the table is unknown, never nought: nothing is guessed from a name that looks alike.

mod table;
pub(super) mod takes;

use std::collections::BTreeMap;

use crate::transcript::{Cost, Usage};

/// Facts about one model of one provider. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The most tokens that a prompt may have.
    pub window: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    pub prices: Prices,
    /// Where long prompts cost more: from how many prompt tokens on (exclusive), and what everything costs then.
    pub long_prompts: Option<(u64, Prices)>,
}

/// What a million tokens cost. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    pub input: Option<Price>,
    pub output: Option<Price>,
    pub cache_read: Option<Price>,
    /// For the provider's usual time, five minutes with Anthropic.
    pub cache_write: Option<Price>,
    /// For an hour.
    pub cache_write_long: Option<Price>,
}

/// US dollars for a million tokens, exact to the millionth of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price {
    /// For a million tokens; so it is also the pico-dollars for one.
    pub micro_dollars: u64,
}

/// The table of models, with what configuration says over it.
///
/// ```
/// use pillion::{provider::catalog::Catalog, transcript::Usage};
///
/// let facts = Catalog::default().facts("anthropic", "claude-haiku-4-5");
/// assert_eq!(facts.window, Some(200_000));
///
/// let usage = Usage { input_tokens: Some(1_000), output_tokens: Some(100), ..Usage::default() };
/// assert_eq!(facts.cost(&usage).to_string(), "$0.0015");
///
/// assert!(Catalog::default().facts("nowhere", "nobody").cost(&usage).is_unknown());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By `provider/model`.
    over: BTreeMap<String, Facts>,
}

impl Catalog {
    /// Says more of a model, or otherwise. What is `None` stays as the table has it; a price for anything replaces what
    /// the table says of long prompts.
    pub fn set(&mut self, model: impl Into<String>, facts: Facts) {
        self.over.insert(model.into(), facts);
    }

    /// What is known of a provider's model.
    pub fn facts(&self, provider: &str, model: &str) -> Facts {
        let known = table::find(provider, model);
        let Some(over) = self.over.get(&format!("{provider}/{model}")) else { return known };
        Facts {
            window: over.window.or(known.window),
            max_output: over.max_output.or(known.max_output),
            prices: over.prices.or(known.prices),
            long_prompts: if over.prices == Prices::default() { known.long_prompts } else { over.long_prompts },
        }
    }
}

impl Facts {
    /// What a model call cost, rounded to the nano-dollar. Unknown if the provider did not count its prompt and its
    /// answer, or if a price of what it counted is not known.
    pub fn cost(&self, usage: &Usage) -> Cost {
        self.exact(usage).map_or(Cost::UNKNOWN, Cost::nano_dollars)
    }

    fn exact(&self, usage: &Usage) -> Option<u64> {
        let prompt = usage.prompt_tokens()?;
        let prices = match self.long_prompts {
            Some((over, prices)) if prompt > over => prices,
            _ => self.prices,
        };
        let written = usage.cache_write_tokens.unwrap_or(0);
        let written_long = usage.cache_write_long_tokens.unwrap_or(0).min(written);
        let parts = [
            (usage.input_tokens?, prices.input),
            (usage.output_tokens?, prices.output),
            (usage.cache_read_tokens.unwrap_or(0), prices.cache_read),
            (written - written_long, prices.cache_write),
            (written_long, prices.cache_write_long),
        ];
        let mut pico_dollars: u128 = 0;
        for (tokens, price) in parts.into_iter().filter(|(tokens, _)| *tokens > 0) {
            pico_dollars += u128::from(tokens) * u128::from(price?.micro_dollars);
        }
        // A free call is known to be free only if its prices are.
        (prices.input.is_some() && prices.output.is_some())
            .then(|| u64::try_from((pico_dollars + 500) / 1_000).unwrap_or(u64::MAX))
    }
}

impl Prices {
    fn or(self, other: Self) -> Self {
        Self {
            input: self.input.or(other.input),
            output: self.output.or(other.output),
            cache_read: self.cache_read.or(other.cache_read),
            cache_write: self.cache_write.or(other.cache_write),
            cache_write_long: self.cache_write_long.or(other.cache_write_long),
        }
    }
}

impl Price {
    /// As people write it. `None` if it is no price: below nought, not a number, or beyond all reason.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        // Above a million dollars for a million tokens somebody mistook the unit.
        let micro_dollars = (dollars * 1e6).round();
        (0.0..=1e12).contains(&micro_dollars).then_some(Self { micro_dollars: micro_dollars as u64 })
    }

    pub fn dollars(self) -> f64 {
        self.micro_dollars as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() }
    }

    #[test]
    fn a_call_costs_what_each_kind_of_token_costs() {
        let facts = Catalog::default().facts("anthropic", "claude-sonnet-4-5");
        let all = Usage {
            cache_read_tokens: Some(10_000),
            cache_write_tokens: Some(3_000),
            cache_write_long_tokens: Some(1_000),
            ..usage(1_000, 100)
        };
        // 1,000 x 3 + 100 x 15 + 10,000 x 0.30 + 2,000 x 3.75 + 1,000 x 6 dollars for a million.
        assert_eq!(facts.cost(&all), Cost::nano_dollars(21_000_000));
        assert_eq!(facts.cost(&usage(0, 0)), Cost::nano_dollars(0));
    }

    #[test]
    fn fractions_of_a_nano_dollar_are_rounded_once() {
        let price = |micro_dollars| Some(Price { micro_dollars });
        let prices = Prices { input: price(12_500), output: price(333), ..Prices::default() };
        let facts = Facts { prices, ..Facts::default() };
        assert_eq!(facts.cost(&usage(1, 0)), Cost::nano_dollars(13));
        assert_eq!(facts.cost(&usage(2, 0)), Cost::nano_dollars(25));
        assert_eq!(facts.cost(&usage(1, 3)), Cost::nano_dollars(13));
        assert_eq!(facts.cost(&usage(u64::MAX, u64::MAX)).nano_dollars, u64::MAX);
    }

    #[test]
    fn what_is_not_known_is_not_free() {
        let known = Catalog::default();
        let facts = known.facts("openai", "gpt-5.1");
        assert!(!facts.cost(&usage(10, 10)).at_least);
        // The provider did not count.
        assert!(facts.cost(&Usage { input_tokens: Some(10), ..Usage::default() }).is_unknown());
        assert!(facts.cost(&Usage::default()).is_unknown());
        // It counted something that has no price in the table.
        assert!(facts.cost(&Usage { cache_write_tokens: Some(5), ..usage(10, 10) }).is_unknown());
        assert!(known.facts("openai", "gpt-99").cost(&usage(10, 10)).is_unknown());
        assert!(known.facts("openai", "gpt-99").cost(&usage(0, 0)).is_unknown());
        // A model of the same name may be anybody's elsewhere.
        assert_eq!(known.facts("work", "gpt-5.1"), Facts::default());
    }

    #[test]
    fn long_prompts_may_cost_more() {
        let facts = Catalog::default().facts("gemini", "gemini-2.5-pro");
        assert_eq!(facts.cost(&usage(200_000, 0)), Cost::nano_dollars(250_000_000));
        assert_eq!(facts.cost(&usage(200_001, 0)), Cost::nano_dollars(500_002_500));
    }

    #[test]
    fn configuration_goes_over_the_table() {
        let mut catalog = Catalog::default();
        let price = Price::from_dollars(0.07);
        let own = Prices { input: price, ..Prices::default() };
        catalog.set("gemini/gemini-2.5-pro", Facts { prices: own, ..Facts::default() });
        catalog.set("work/own", Facts { window: Some(1_000), ..Facts::default() });
        let facts = catalog.facts("gemini", "gemini-2.5-pro");
        assert_eq!((facts.prices.input, facts.long_prompts), (price, None));
        assert_eq!(facts.prices.output, Price::from_dollars(10.0));
        assert_eq!(facts.window, Some(1_048_576));
        assert_eq!(catalog.facts("work", "own").window, Some(1_000));
        // Free is a price.
        let free = Price::from_dollars(0.0);
        let prices = Prices { input: free, output: free, ..Prices::default() };
        catalog.set("ollama/mine", Facts { prices, ..Facts::default() });
        assert_eq!(catalog.facts("ollama", "mine").cost(&usage(9, 9)), Cost::nano_dollars(0));
    }

    #[test]
    fn prices_are_written_in_dollars() {
        assert_eq!(Price::from_dollars(0.0125).map(|price| price.micro_dollars), Some(12_500));
        assert_eq!(Price::from_dollars(0.1 + 0.2).map(|price| price.micro_dollars), Some(300_000));
        assert_eq!(Price::from_dollars(0.3).map(Price::dollars), Some(0.3));
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e7] {
            assert_eq!(Price::from_dollars(none), None);
        }
    }
}
