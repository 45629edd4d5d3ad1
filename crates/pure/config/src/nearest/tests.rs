use super::{distance, nearest};

#[test]
fn counts_edits() {
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("abc", "abc"), 0);
}

#[test]
fn suggests_only_what_is_near() {
    assert_eq!(nearest("clientId", ["name", "clientID"]), Some("clientID"));
    assert_eq!(nearest("redirectUrl", ["redirectURLs", "type"]), Some("redirectURLs"));
    assert_eq!(nearest("colour", ["name", "type"]), None);
}
