use super::BEGIN_WITH_LIMITS;
use crate::postgres::LIMITS;

#[test]
fn a_lent_server_gets_the_limits_of_our_own_sessions() {
    let set = LIMITS.map(|(setting, value)| format!("SET LOCAL {setting} = '{value}'")).join("; ");
    assert_eq!(BEGIN_WITH_LIMITS, format!("BEGIN; {set}"));
}

/// A column that is added must not change what statements of older programs give back.
#[test]
fn no_statement_asks_for_all_columns() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for dialect in ["postgres", "sqlite"] {
        for entry in std::fs::read_dir(sources.join(dialect)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap().to_uppercase();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for wildcard in ["SELECT *", "RETURNING *"] {
                assert!(!text.contains(wildcard), "{}", path.display());
            }
        }
    }
}
