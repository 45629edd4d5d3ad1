use super::*;

#[test]
fn broken_steps_say_what_was_expected_and_found() {
    let mut out = Vec::new();
    let mut story = Story::new(&mut out);
    story.chapter("One");
    assert_eq!(story.step("holds", Ok(7)), Ok(7));
    story.detail("seven");
    assert_eq!(story.step("breaks", expect(false, "status 200", 404)), Err(Broken));
    assert_eq!(story.score(), (2, 1));
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "\nOne\n  ✓ holds\n      seven\n  ✗ breaks\n      expected: status 200\n      found:    404\n"
    );
}

#[test]
fn long_findings_are_cut() {
    let mismatch = Mismatch::new("less", "ä".repeat(MAX_FOUND + 1));
    assert_eq!(mismatch.found.chars().count(), MAX_FOUND + 1);
    assert!(mismatch.found.ends_with('…'));
}
