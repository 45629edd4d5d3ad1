use gatehouse_store::error::MigrationError;

use super::{Applied, Migration, POSTGRES, SQLITE, pending};

const KNOWN: &[Migration] = &[
    Migration { number: 1, name: "one", sql: "CREATE TABLE a (x)" },
    Migration { number: 2, name: "two", sql: "CREATE TABLE b (x)" },
    Migration { number: 3, name: "three", sql: "CREATE TABLE c (x)" },
];

fn applied(migration: &Migration) -> Applied {
    Applied { number: migration.number, name: migration.name.to_owned(), checksum: migration.checksum() }
}

fn numbers(rows: &[Applied]) -> Result<Vec<i64>, MigrationError> {
    pending(KNOWN, rows).map(|missing| missing.iter().map(|own| own.number).collect())
}

#[test]
fn what_is_missing_is_applied_in_order() {
    assert_eq!(numbers(&[]).unwrap(), [1, 2, 3]);
    assert_eq!(numbers(&[applied(&KNOWN[0])]).unwrap(), [2, 3]);
    assert!(numbers(&[applied(&KNOWN[1]), applied(&KNOWN[0]), applied(&KNOWN[2])]).unwrap().is_empty());
}

#[test]
fn a_newer_database_is_refused_by_name() {
    let newer = Applied { number: 4, name: "devices".into(), checksum: "00".into() };
    let error = numbers(&[applied(&KNOWN[0]), newer]).unwrap_err();
    assert_eq!(error, MigrationError::Newer { number: 4, name: "devices".into(), known: 3 });
    assert!(error.to_string().contains("migration 4 `devices`"), "{error}");
}

#[test]
fn a_changed_migration_is_refused_by_name() {
    let mut changed = applied(&KNOWN[1]);
    changed.checksum = "beef".into();
    let error = numbers(&[applied(&KNOWN[0]), changed]).unwrap_err();
    assert!(matches!(&error, MigrationError::Changed { number: 2, found, .. } if found == "beef"), "{error}");

    let mut renamed = applied(&KNOWN[0]);
    renamed.name = "uno".into();
    assert!(matches!(numbers(&[renamed]).unwrap_err(), MigrationError::Changed { number: 1, .. }));
}

#[test]
fn a_hole_in_the_history_is_refused_by_name() {
    let error = numbers(&[applied(&KNOWN[0]), applied(&KNOWN[2])]).unwrap_err();
    assert_eq!(error, MigrationError::Gap { number: 2, name: "two".into() });
}

#[test]
fn embedded_migrations_are_numbered_from_one_without_holes() {
    for known in [SQLITE, POSTGRES] {
        let numbers: Vec<i64> = known.iter().map(|own| own.number).collect();
        let expected: Vec<i64> = (1..).take(known.len()).collect();
        assert_eq!(numbers, expected);
    }
    let names = |known: &[Migration]| known.iter().map(|own| own.name).collect::<Vec<_>>();
    assert_eq!(names(SQLITE), names(POSTGRES), "both dialects move in step");
}
