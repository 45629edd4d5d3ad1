use super::{mixed_scripts, shape};

#[test]
fn what_looks_alike_has_one_shape() {
    for (one, other) in [
        ("admin", "\u{430}dmin"),
        ("paypal", "\u{440}\u{430}\u{443}\u{440}\u{430}l"),
        ("Ada", "ada"),
        ("root", "r0ot"),
        ("AI", "Al"),
        ("staff", "\u{FF53}taff"),
        ("omega", "\u{3BF}mega"),
        ("jose", "jose\u{301}"),
    ] {
        assert_eq!(shape(one), shape(other), "{one} {other}");
    }
    for (one, other) in [("al", "ai"), ("ada", "adam"), ("team-a", "team-b"), ("jose", "jos\u{e9}")] {
        assert_ne!(shape(one), shape(other), "{one} {other}");
    }
}

#[test]
fn letters_of_several_scripts_are_noticed() {
    assert_eq!(mixed_scripts("\u{430}dmin").as_deref(), Some("Cyrillic and Latin"));
    assert_eq!(mixed_scripts("\u{3BF}mega-\u{FF41}").as_deref(), Some("Greek and Latin and full-width"));
    for name in [
        "ada",
        "jos\u{e9} \u{f1}u\u{f1}ez",
        "\u{430}\u{43d}\u{43d}\u{430}-7",
        "\u{674e}\u{660e} Li",
        "a_b.c-1",
    ] {
        assert_eq!(mixed_scripts(name), None, "{name}");
    }
}
