use super::is_phc;

#[test]
fn only_argon2id_strings_are_password_hashes() {
    let good =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
    assert!(is_phc(good));
    let wrong = [
        String::new(),
        "hunter2".into(),
        "$2b$12$abcdefghijklmnopqrstuv".into(),
        good.replace("argon2id", "argon2i"),
        good.replace("v=19", "v=16"),
        good.replace("m=19456", "m=0"),
        good.replace(",p=1", ""),
        good.replace("$c29tZXNhbHRzb21lc2FsdA", "$"),
        format!("{good}$"),
    ];
    for text in wrong {
        assert!(!is_phc(&text), "{text}");
    }
}
