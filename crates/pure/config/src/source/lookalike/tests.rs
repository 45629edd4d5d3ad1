use super::*;

#[test]
fn forms_of_other_programs_are_known() {
    for (text, name) in [
        ("${CLIENT_SECRET}", "CLIENT_SECRET"),
        ("$CLIENT_SECRET", "CLIENT_SECRET"),
        ("$client_secret", "client_secret"),
        (" ${ CLIENT_SECRET } ", "CLIENT_SECRET"),
        ("${CLIENT_SECRET:-changeme}", "CLIENT_SECRET"),
        ("$(CLIENT_SECRET)", "CLIENT_SECRET"),
        ("%CLIENT_SECRET%", "CLIENT_SECRET"),
        ("{{ CLIENT_SECRET }}", "CLIENT_SECRET"),
        ("{{ .Env.CLIENT_SECRET }}", "CLIENT_SECRET"),
        ("${{ secrets.CLIENT_SECRET }}", "CLIENT_SECRET"),
        ("$ENV:CLIENT_SECRET", "CLIENT_SECRET"),
        ("https://${HOST}/mcp", "HOST"),
    ] {
        assert_eq!(variable(text), Some(name), "{text}");
    }
}

#[test]
fn other_texts_are_left_alone() {
    for text in [
        "",
        "$",
        "${}",
        "$5.00",
        "100%",
        "%%",
        "wHf2rT0pZ8$V4qL1",
        "a${b}c",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlA",
        "https://api.example/{id}",
        "{{",
        "<vault.secret>",
    ] {
        assert_eq!(variable(text), None, "{text}");
    }
}
