use super::{Evidence, History, REMEMBERED, Trust};

fn write(history: &History, number: usize) {
    history.note(Evidence { sql: "", key: number.to_string(), value: 0 });
}

fn remembered(history: &History) -> Vec<String> {
    history.seen().acknowledged.iter().map(|evidence| evidence.key.clone()).collect()
}

#[test]
fn a_position_that_falls_is_noticed_and_one_that_stands_is_not() {
    let history = History::default();
    for position in [0, 5, 5, 7] {
        history.look_at(position, false);
        assert_eq!(history.objection(), None);
    }
    history.look_at(6, false);
    assert!(history.objection().is_some_and(|objection| objection.contains("restore --epoch-only")));
    assert_eq!(history.to_be_told(), Some(7));
    history.told();
    assert_eq!(history.to_be_told(), None);
    // It stays noticed, whatever the position does, until the mark is gone.
    history.look_at(9, true);
    assert!(history.objection().is_some());
    history.look_at(3, false);
    assert_eq!(history.objection(), None);
    history.look_at(3, false);
    assert_eq!(history.objection(), None, "the feed begins anew where the epoch found it");
}

#[test]
fn a_mark_that_another_node_left_counts() {
    let history = History::default();
    history.look_at(5, true);
    assert_eq!(history.seen().trust, Trust::Marked);
    assert!(history.objection().is_some());
}

#[test]
fn what_was_not_told_yet_is_not_taken_for_mended() {
    let history = History::default();
    history.look_at(5, false);
    history.look_at(4, false);
    history.look_at(8, false);
    assert_eq!(history.seen().trust, Trust::Noticed, "no epoch has cleared a mark that was never made");
}

#[test]
fn the_feed_stands_for_the_writes_before_it_and_not_for_later_ones() {
    let history = History::default();
    (0..3).for_each(|number| write(&history, number));
    let writes = history.writes();
    (3..5).for_each(|number| write(&history, number));
    history.forget(writes);
    assert_eq!(remembered(&history), ["3", "4"]);
    assert!(history.is_unproven());
    history.forget(history.writes());
    assert!(!history.is_unproven());
}

#[test]
fn the_newest_writes_are_remembered() {
    let history = History::default();
    (0..REMEMBERED + 10).for_each(|number| write(&history, number));
    let keys = remembered(&history);
    assert_eq!((keys.len(), keys[0].as_str()), (REMEMBERED, "10"));
    // The feed has moved on after the first five, none of which is remembered any more.
    history.forget(5);
    assert_eq!(remembered(&history).len(), REMEMBERED);
    history.forget(12);
    assert_eq!(remembered(&history)[0], "12");
}
