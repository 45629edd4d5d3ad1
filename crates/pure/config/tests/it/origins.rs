//! Whose pages may call.

use crate::fixture::{WHOLE, loaded, refused};

fn with(origins: &str) -> String {
    let place = "http:\n";
    assert!(WHOLE.contains(place));
    WHOLE.replace(place, &format!("{place}  allowedOrigins: {origins}\n"))
}

#[test]
fn origins_are_taken_as_browsers_send_them() {
    assert!(loaded(WHOLE).ingress.allowed_origins.is_empty());
    let origins = ["http://localhost:6274", "https://tools.example.com", "https://[2001:db8::1]:8443"];
    let snapshot = loaded(&with(&format!("[\"{}\"]", origins.join("\", \""))));
    assert_eq!(snapshot.ingress.allowed_origins, origins);
}

/// What would never match anything is a mistake, and so is what would match everything.
#[test]
fn what_no_browser_sends_is_refused_with_what_it_would_send() {
    for (written, expected) in [
        ("https://tools.example.com/", "browsers send `https://tools.example.com`"),
        ("https://tools.example.com/app", "browsers send `https://tools.example.com`"),
        ("https://Tools.example.com", "browsers send `https://tools.example.com`"),
        ("https://tools.example.com:443", "browsers send `https://tools.example.com`"),
        ("http://localhost:80", "browsers send `http://localhost`"),
        ("https://bücher.example", "browsers send `https://xn--bcher-kva.example`"),
        ("tools.example.com", "there are no wildcards"),
        ("*", "there are no wildcards"),
        ("https://*.example.com", "there are no wildcards"),
        ("null", "there are no wildcards"),
        ("localhost:6274", "there are no wildcards"),
    ] {
        let problems = refused(&with(&format!("[\"{written}\"]")));
        let place = "http.allowedOrigins[0]: expected an origin";
        assert!(problems.contains(place) && problems.contains(expected), "{written}: {problems}");
    }
}
