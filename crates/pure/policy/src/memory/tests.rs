use super::*;
use crate::decision::{DenyReason, Outcome};

fn sight(of: u16) -> InputDigest {
    InputDigest::of(&of.to_le_bytes())
}

fn decision(outcome: Outcome, message: &str) -> Decision {
    Decision { outcome, policy: "p".into(), internal_message: Some(message.into()), external_message: None }
}

#[test]
fn an_answer_is_given_again_for_the_same_sight_only() {
    let memory = Memory::new();
    let allowed = decision(Outcome::Allow, "a");
    let denied = decision(Outcome::Deny(DenyReason::Rule), "b");
    memory.keep(sight(1), &allowed);
    memory.keep(sight(2), &denied);
    assert_eq!(memory.recall(&sight(1)), Some(allowed));
    assert_eq!(memory.recall(&sight(2)), Some(denied));
    assert_eq!(memory.recall(&sight(3)), None);
}

#[test]
fn many_sights_stay_within_the_slots_and_never_answer_for_each_other() {
    let memory = Memory::new();
    for number in 0..u16::MAX {
        memory.keep(sight(number), &decision(Outcome::Allow, &number.to_string()));
    }
    let known = (0..u16::MAX).filter_map(|number| {
        let found = memory.recall(&sight(number))?;
        assert_eq!(found.internal_message, Some(number.to_string()));
        Some(found)
    });
    assert_eq!(known.count(), SLOTS, "every slot is used by so many");
}

#[test]
fn failures_and_long_messages_are_not_kept() {
    let memory = Memory::new();
    for reason in [DenyReason::Timeout, DenyReason::Limit, DenyReason::Error, DenyReason::Conflict] {
        memory.keep(sight(1), &decision(Outcome::Deny(reason), ""));
    }
    memory.keep(sight(1), &decision(Outcome::Allow, &"x".repeat(MAX_MESSAGES + 1)));
    assert_eq!(memory.recall(&sight(1)), None);
}
