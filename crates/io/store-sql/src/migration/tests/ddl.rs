//! What a migration may do while older programs work beside it.
//!
//! A migration that asks for no newer reader only adds: tables, and columns that may be left out. Whatever takes away,
//! renames, narrows or locks a table for long comes one version later, when no program needs the old form any more, and
//! says so with a `min_reader` of its own number.

use super::{Migration, POSTGRES, SQLITE};

#[test]
fn migrations_that_allow_older_programs_only_add() {
    for own in SQLITE.iter().chain(POSTGRES) {
        if own.min_reader < own.number {
            let wrong = obstacles(own.sql);
            assert!(wrong.is_empty(), "migration {} `{}`: {wrong:#?}", own.number, own.name);
        }
    }
}

#[test]
fn migrations_are_numbered_like_their_files() {
    for (folder, known) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut files: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let expected: Vec<String> =
            known.iter().map(|Migration { number, name, .. }| format!("{number:04}_{name}.sql")).collect();
        assert_eq!(files, expected);
    }
}

#[test]
fn what_only_adds_passes() {
    for sql in [
        "-- Why; and how.\nCREATE TABLE devices (id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL);\n\
         CREATE UNIQUE INDEX devices_by_at ON devices (at);\nINSERT INTO devices (id, at) VALUES ('a', 0);",
        "ALTER TABLE grants ADD COLUMN device TEXT;",
        "alter table grants add column uses bigint not null default 0;",
        "ALTER TABLE grants ADD COLUMN IF NOT EXISTS seen BOOLEAN NOT NULL DEFAULT FALSE;",
    ] {
        assert!(obstacles(sql).is_empty(), "{sql}: {:?}", obstacles(sql));
    }
}

#[test]
fn what_older_programs_would_stumble_over_does_not() {
    for sql in [
        "DROP TABLE consents;",
        "ALTER TABLE grants DROP COLUMN subject;",
        "ALTER TABLE grants RENAME COLUMN subject TO person;",
        "ALTER TABLE grants RENAME TO permits;",
        "ALTER TABLE grants ADD COLUMN device TEXT NOT NULL;",
        "ALTER TABLE grants ADD COLUMN device TEXT UNIQUE;",
        "ALTER TABLE grants ADD COLUMN device TEXT REFERENCES devices;",
        "ALTER TABLE grants ADD COLUMN device TEXT CHECK (length(device) > 3);",
        "ALTER TABLE grants ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp();",
        "ALTER TABLE grants ALTER COLUMN subject SET NOT NULL;",
        "ALTER TABLE grants ALTER COLUMN expires_at TYPE INTEGER;",
        "ALTER TABLE grants ADD CONSTRAINT one CHECK (stage <> '');",
        "CREATE INDEX grants_by_stage ON grants (stage);",
        "CREATE UNIQUE INDEX one_grant ON grants (client, subject);",
        "CREATE TRIGGER busy BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION nothing();",
        "UPDATE grants SET stage = 'begun';",
        "DELETE FROM grants;",
        "INSERT INTO grants (id) VALUES ('a');",
        "LOCK TABLE grants;",
        "ALTER TABLE grants ADD COLUMN device TEXT, DROP COLUMN subject;",
    ] {
        assert!(!obstacles(sql).is_empty(), "{sql}");
    }
}

/// The statements of `sql` that older programs could not live with.
fn obstacles(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join(" ").to_uppercase().replace('(', " ( ").replace(',', " , ");
    let mut made = Vec::new();
    let mut wrong = Vec::new();
    for statement in text.split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let adds = match words.as_slice() {
            [] => true,
            ["CREATE", "TABLE", table, ..] => {
                made.push(*table);
                true
            }
            // An index over a table that is in use keeps writers out until it is built; a unique one refuses theirs.
            ["CREATE", "INDEX", _, "ON", table, ..] | ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => {
                made.contains(table)
            }
            ["INSERT", "INTO", table, ..] => made.contains(table),
            ["ALTER", "TABLE", _, "ADD", "COLUMN", column @ ..] => can_be_left_out(column),
            _ => false,
        };
        if !adds {
            wrong.push(words.join(" "));
        }
    }
    wrong
}

/// Whether programs can write rows without this column, and adding it touches no row.
fn can_be_left_out(column: &[&str]) -> bool {
    let has = |word: &str| column.contains(&word);
    let needed = has("NOT") && !has("DEFAULT");
    let narrows = ["UNIQUE", "PRIMARY", "REFERENCES", "CHECK", "GENERATED"].iter().any(|word| has(word));
    // Parentheses call a function for every row; a comma begins another change.
    !needed && !narrows && !has("(") && !has(",")
}
