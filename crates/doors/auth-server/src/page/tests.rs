use super::{form_target, readable};

#[test]
fn names_lose_what_hides_or_reorders() {
    assert_eq!(readable("Cla\u{202E}ude\u{200B}\n"), "Claude");
    assert_eq!(readable(&"x".repeat(100)).len(), 64);
}

#[test]
fn form_targets_are_sources_that_browsers_understand() {
    let cases = [
        ("https://claude.ai/api/mcp/auth_callback", "https://claude.ai"),
        ("http://localhost:29352/callback", "http://localhost:29352"),
        ("http://[::1]:9/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
    ];
    for (redirect, target) in cases {
        assert_eq!(form_target(redirect), target);
    }
}
