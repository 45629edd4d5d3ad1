use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::Fingerprint;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn equal_lists_and_only_they_are_equal(left in any::<Vec<String>>(), right in any::<Vec<String>>()) {
        let of = |list: &[String]| Fingerprint::of(list.iter().map(String::as_str));
        prop_assert_eq!(of(&left) == of(&right), left == right);
    }

    #[test]
    fn moving_a_boundary_between_fields_changes_it(text in "[a-z]{2,12}", at in 1_usize..2) {
        let (head, tail) = text.split_at(at);
        assert_ne!(Fingerprint::of([head, tail]), Fingerprint::of([text.as_str()]));
        assert_ne!(Fingerprint::of([head, tail]), Fingerprint::of([text.as_str(), ""]));
    }
}

#[test]
fn is_written_as_hexadecimal() {
    let written = Fingerprint::of([]).to_string();
    assert_eq!(written, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
