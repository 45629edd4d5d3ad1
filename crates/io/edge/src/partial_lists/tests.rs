use std::time::Duration;

use gatehouse_identity::clock::Timestamp;

use super::{MOST_READERS, PartialLists, TOLD};

const ADA: Option<(&str, &str)> = Some(("https://idp.example", "ada"));
const BOB: Option<(&str, &str)> = Some(("https://idp.example", "bob"));

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_800_000_000).plus(Duration::from_secs(seconds))
}

#[test]
fn a_list_is_not_whole_while_that_of_anybody_is_not() {
    let lists = PartialLists::default();
    lists.note("crm", ADA, "upstream_status", at(0));
    lists.clear("crm", BOB);
    lists.clear("hr", ADA);
    assert_eq!(lists.at(at(1)), [("crm".to_owned(), "upstream_status")], "bob's list says nothing of ada's");
    lists.note("crm", BOB, "list_in_a_circle", at(10));
    lists.note("crm", None, "upstream_garbage", at(5));
    assert_eq!(lists.at(at(11)), [("crm".to_owned(), "list_in_a_circle")]);
    lists.clear("crm", BOB);
    lists.clear("crm", None);
    assert_eq!(lists.at(at(12)), [("crm".to_owned(), "upstream_status")]);
    lists.clear("crm", ADA);
    assert_eq!(lists.at(at(13)), []);
    lists.note("crm", ADA, "upstream_status", at(20));
    assert_eq!(lists.at(at(20).plus(TOLD)), [], "nobody has asked for it again");
}

#[test]
fn readers_are_bounded() {
    let lists = PartialLists::default();
    for number in 0..MOST_READERS + 10 {
        lists.note("crm", Some(("https://idp.example", &number.to_string())), "upstream_status", at(0));
    }
    assert_eq!(lists.apps.lock().unwrap()["crm"].len(), MOST_READERS);
    assert_eq!(lists.at(at(1)).len(), 1);
}

#[test]
fn readers_of_long_ago_keep_no_room() {
    let lists = PartialLists::default();
    for number in 0..MOST_READERS {
        lists.note("crm", Some(("https://idp.example", &number.to_string())), "upstream_status", at(0));
    }
    lists.note("crm", ADA, "list_in_a_circle", at(0).plus(TOLD));
    assert_eq!(lists.at(at(1).plus(TOLD)), [("crm".to_owned(), "list_in_a_circle")]);
}
