use super::HashCost;

#[test]
fn only_argon2id_strings_are_password_hashes() {
    let good =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
    let cost = HashCost::of_phc(good).unwrap();
    assert_eq!((cost.memory, cost.passes, cost.lanes), (19456, 2, 1));
    assert_eq!(cost.to_string(), "m=19456,t=2,p=1");
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
        assert!(HashCost::of_phc(&text).is_none(), "{text}");
    }
}
