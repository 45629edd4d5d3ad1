use proptest::prelude::{any, proptest};

use super::{PriceList, Rate};
use crate::usage::Usage;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn opus() -> PriceList {
    PriceList {
        input: rate("5.00"),
        output: rate("25.00"),
        cache_write: rate("6.25"),
        cache_write_1h: rate("10"),
        cache_read: rate("0.50"),
    }
}

#[test]
fn rates_are_decimals_of_dollars_per_million_tokens() {
    assert_eq!(rate("5.00").pico_usd_per_token(), 5_000_000);
    assert_eq!(rate("0.000001").pico_usd_per_token(), 1);
    assert_eq!(rate("0").to_string(), "0.000000");
    for bad in ["", ".", "5.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0.0000001", "1000001", "5.0.0", "٣"] {
        assert!(bad.parse::<Rate>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_reply_costs_what_the_list_says_to_the_last_digit() {
    let usage = Usage { input: 1000, output: 200, cache_write: 3, cache_write_1h: 2, cache_read: 7 };
    // 5000 + 5000 + 18.75 + 20 + 3.5 micro-dollars
    assert_eq!(opus().cost(&usage).to_string(), "0.010042250000");
    assert_eq!(opus().cost(&Usage::default()).pico_usd(), 0);
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let top = rate("1000000.999999");
    let list = PriceList { input: top, output: top, cache_write: top, cache_write_1h: top, cache_read: top };
    let most = u64::MAX;
    let usage =
        Usage { input: most, output: most, cache_write: most, cache_write_1h: most, cache_read: most };
    assert_eq!(list.cost(&usage).pico_usd(), 5 * u128::from(most) * 1_000_000_999_999);
}

proptest! {
    #[test]
    fn a_rate_survives_text(whole in 0..=1_000_000_u64, fraction in 0..1_000_000_u64) {
        let text = format!("{whole}.{fraction:06}");
        assert_eq!(rate(&text).to_string(), text);
    }

    #[test]
    fn cost_is_additive(a in any::<[u32; 5]>(), b in any::<[u32; 5]>()) {
        let usage = |n: [u32; 5]| {
            let [input, cache_write, cache_write_1h, cache_read, output] = n.map(u64::from);
            Usage { input, cache_write, cache_write_1h, cache_read, output }
        };
        let (left, right) = (usage(a), usage(b));
        let both = Usage {
            input: left.input + right.input,
            output: left.output + right.output,
            cache_write: left.cache_write + right.cache_write,
            cache_write_1h: left.cache_write_1h + right.cache_write_1h,
            cache_read: left.cache_read + right.cache_read,
        };
        assert_eq!(opus().cost(&both), opus().cost(&left) + opus().cost(&right));
    }
}
