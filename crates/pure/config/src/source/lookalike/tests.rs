use super::*;

#[test]
fn forms_of_other_programs_are_known() {
    for (text, name) in [
        ("${CLIENT_SECRET}", "CLIENT_SECRET"),
        ("$CLIENT_SECRET", "CLIENT_SECRET"),
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
        assert_eq!(reference(text), Some(Reference { name: Some(name) }), "{text}");
    }
}

/// A secret may begin and end like a reference.
#[test]
fn what_may_be_a_secret_is_not_repeated() {
    for text in
        ["$client_secret", "$kT4mZq9vWx2LbN7c", "%aQ8rTz2mKp5w%", "{{hR7kQ2mW9x}}", "${x9Kp}", "$ENV:pW3k"]
    {
        assert_eq!(reference(text), Some(Reference { name: None }), "{text}");
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
        assert_eq!(reference(text), None, "{text}");
    }
}
