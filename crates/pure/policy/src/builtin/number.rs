//! Numbers as texts.

/// Whether `text` has an exponent that would make a number of thousands of digits.
pub(super) fn has_large_exponent(text: &str) -> bool {
    text.split(['e', 'E']).skip(1).any(|rest| {
        let digits = rest.trim_start_matches(['+', '-']).chars().take_while(char::is_ascii_digit);
        digits.skip_while(|digit| *digit == '0').count() > 3
    })
}
