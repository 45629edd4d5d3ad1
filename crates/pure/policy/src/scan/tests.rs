use super::*;

fn refused(text: &str) -> PolicyErrorKind {
    check(text).unwrap_err().kind
}

#[test]
fn ordinary_text_passes() {
    check("package p\n# [[[[[[[[[[[[[[\nx := \"[[[[[[[[[[[[[[\"\ny := `{{{{{{{{{{{{{{{`\nz if {\n\ta := [1, {\"b\": (2 + 3)}]\n\ta[0] == 1\n}\n")
        .unwrap();
}

#[test]
fn limits_are_where_they_say() {
    let nested = |depth: usize| format!("package p\nx := {}1{}\n", "[".repeat(depth), "]".repeat(depth));
    check(&nested(9)).unwrap();
    assert_eq!(refused(&nested(10)), PolicyErrorKind::TooComplex);
    let chain = |length: usize| format!("package p\nx := 1{}\n", "\n+ 1".repeat(length));
    check(&chain(31)).unwrap();
    assert_eq!(refused(&chain(40)), PolicyErrorKind::TooComplex);
    assert_eq!(refused(&format!("package p\nx := a{}", "[\n1]".repeat(40))), PolicyErrorKind::TooComplex);
    assert_eq!(refused(&format!("package p\nx := {}1", "-\n".repeat(40))), PolicyErrorKind::TooComplex);
    check(&format!("package p\n# {}\n", "x".repeat(1_022))).unwrap();
    assert_eq!(refused(&format!("package p\n# {}\n", "x".repeat(1_023))), PolicyErrorKind::TooComplex);
    check(&"\n".repeat(MAX_LINES - 1)).unwrap();
    assert_eq!(refused(&"\n".repeat(MAX_LINES)), PolicyErrorKind::TooComplex);
    assert_eq!(refused(&" ".repeat(MAX_BYTES + 1)), PolicyErrorKind::TooComplex);
    assert_eq!(refused("package p\nx := 1e2147483647\n"), PolicyErrorKind::TooComplex);
    assert_eq!(refused(&"import data.a\n".repeat(65)), PolicyErrorKind::TooComplex);
    let costly = format!("{}1{},\n", "{".repeat(8), "}".repeat(8)).repeat(15_000);
    assert_eq!(refused(&format!("package p\nx := [\n{costly}]")), PolicyErrorKind::TooComplex);
}

#[test]
fn positions_point_at_the_bracket() {
    let error = check("package p\nx := [[[[[[[[[[1]]]]]]]]]]\n").unwrap_err();
    assert_eq!((error.line, error.column), (Some(2), Some(15)));
    assert_eq!(check("x := )").unwrap_err().kind, PolicyErrorKind::Syntax);
    assert_eq!(check("x := \"a").unwrap_err().kind, PolicyErrorKind::Syntax);
}

#[test]
fn words_in_comments_and_texts_say_nothing_of_the_version() {
    let newer = |text: &str| check(text).unwrap().are_newer();
    assert!(newer("package p\nx if { y }\n"));
    assert!(!newer("package p\n# if\nx := \"if\"\ny := `if`\nz { iffy }\n"));
    assert!(!newer("package p\nimport future.keywords.if\nx if { y }\nz { y }\n"));
}
