use gatehouse_store::error::MigrationError;

use super::{Applied, Migration, POSTGRES, SQLITE, newer, pending};

mod ddl;

const KNOWN: &[Migration] = &[
    Migration { number: 1, name: "one", min_reader: 1, sql: "CREATE TABLE a (x)" },
    Migration { number: 2, name: "two", min_reader: 1, sql: "CREATE TABLE b (x)" },
    Migration { number: 3, name: "three", min_reader: 2, sql: "CREATE TABLE c (x)" },
];

fn applied(migration: &Migration) -> Applied {
    Applied {
        number: migration.number,
        name: migration.name.to_owned(),
        checksum: migration.checksum(),
        min_reader: Some(migration.min_reader),
    }
}

/// The history of a program that knows all of `KNOWN` and more.
fn beyond(more: &[(i64, Option<i64>)]) -> Vec<Applied> {
    let more = more.iter().map(|&(number, min_reader)| Applied {
        number,
        name: "devices".into(),
        checksum: "00".into(),
        min_reader,
    });
    KNOWN.iter().map(applied).chain(more).collect()
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
fn a_newer_database_is_used_while_all_of_it_allows_this_reader() {
    for more in [&[(4, Some(3))][..], &[(4, Some(1))], &[(4, Some(3)), (5, Some(2)), (6, Some(3))]] {
        assert!(numbers(&beyond(more)).unwrap().is_empty(), "{more:?}");
        assert_eq!(newer(KNOWN, &beyond(more)).count(), more.len());
    }
}

#[test]
fn a_newer_database_is_refused_by_name_when_any_of_it_does_not() {
    // Its own number, the next one's, and a register that does not say.
    for (more, number) in [
        (&[(4, Some(4))][..], 4),
        (&[(4, Some(3)), (5, Some(4))], 5),
        (&[(4, None)], 4),
        (&[(4, None), (5, Some(3))], 4),
    ] {
        let error = numbers(&beyond(more)).unwrap_err();
        assert_eq!(error, MigrationError::Newer { number, name: "devices".into(), known: 3 });
        assert!(error.to_string().contains(&format!("migration {number} `devices`")), "{error}");
    }
}

#[test]
fn what_older_programs_did_not_write_down_is_no_obstacle_to_those_who_know_it() {
    let rows: Vec<Applied> = KNOWN.iter().map(|own| Applied { min_reader: None, ..applied(own) }).collect();
    assert!(numbers(&rows).unwrap().is_empty());
    assert_eq!(numbers(&rows[..1]).unwrap(), [2, 3]);
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
        for own in known {
            assert!((1..=own.number).contains(&own.min_reader), "{own:?}");
        }
    }
    let names = |known: &[Migration]| known.iter().map(|own| (own.name, own.min_reader)).collect::<Vec<_>>();
    assert_eq!(names(SQLITE), names(POSTGRES), "both dialects move in step");
}
