use super::{LONGEST_INTERNAL, Rejection, loggable};

#[test]
fn urls_lose_what_must_not_be_logged() {
    let cases = [
        ("https://app.example/cb?code=s3cret&state=x", "https://app.example/cb"),
        ("https://app.example?token=s3cret", "https://app.example"),
        ("https://app.example/cb#access_token=s3cret", "https://app.example/cb"),
        ("https://ada:s3cret@app.example/a/b", "https://app.example/a/b"),
        ("postgres://gw:s3cret@db:5432/gw?sslmode=require: no route", "postgres://db:5432/gw no route"),
        (
            "two: https://a.example/x?s3cret and \"https://b.example/y?s3cret\".",
            "two: https://a.example/x and \"https://b.example/y\".",
        ),
        ("com.example.app://cb?code=s3cret", "com.example.app://cb"),
        ("https://a.example/x?next=https://b.example/y?s3cret z", "https://a.example/x z"),
        ("what is it? nothing with a URL", "what is it? nothing with a URL"),
        ("https://", "https://"),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(loggable(text), expected, "{text}");
        assert_eq!(Rejection::malformed("r", "p").because(text).internal.as_deref(), Some(expected));
    }
}

#[test]
fn no_constructor_goes_round_it() {
    let url = "https://app.example/cb?code=s3cret";
    for rejection in [
        Rejection::internal("r", url),
        Rejection::unavailable("r", url),
        Rejection::unauthenticated("r", url),
    ] {
        assert_eq!(rejection.internal.as_deref(), Some("https://app.example/cb"));
    }
}

#[test]
fn what_peers_say_is_kept_no_longer_than_operators_read() {
    let kept = |said: String| Rejection::internal("fault", said).internal.unwrap();
    assert_eq!(kept("short".to_owned()), "short");
    assert_eq!(kept("x".repeat(LONGEST_INTERNAL)), "x".repeat(LONGEST_INTERNAL));
    let long = kept(format!("x{}", "ä".repeat(10_000_000)));
    assert!(
        long.starts_with("xää") && long.ends_with("ä…") && long.capacity() < LONGEST_INTERNAL + 10,
        "{}",
        long.len()
    );
}

#[test]
fn a_detail_is_never_empty() {
    let public = Rejection::malformed("r", "Go to https://app.example/cb?code=s3cret first.");
    assert_eq!(public.detail(), "Go to https://app.example/cb first.");
    assert_eq!(public.clone().because("").detail(), public.detail());
    assert_eq!(public.because("the whole story").detail(), "the whole story");
    assert_eq!(Rejection::unauthenticated("r", "no token").detail(), "no token");
}
