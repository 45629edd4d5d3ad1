use futures_util::future::join_all;
use gatehouse_store::error::StoreError;
use rusqlite::Connection;

use super::super::statement::execute;
use super::{GROUP, Writer};

fn writer() -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE kept (value INTEGER PRIMARY KEY)").unwrap();
    Writer::start(connection).unwrap()
}

async fn insert(writer: &Writer, value: i64) -> Result<u64, StoreError> {
    writer.write(move |connection| execute(connection, "INSERT INTO kept VALUES (?1)", [value])).await
}

async fn count(writer: &Writer) -> i64 {
    let count = |connection: &Connection| {
        Ok(connection.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap())
    };
    writer.write(count).await.unwrap()
}

#[tokio::test]
async fn a_failed_write_takes_no_other_with_it() {
    let writer = writer();
    let inserts = (0..100).map(|number| {
        let writer = &writer;
        async move {
            writer
                .write(move |connection| {
                    execute(connection, "INSERT INTO kept VALUES (?1)", [number])?;
                    // Every tenth write fails after its first statement.
                    let sql =
                        if number % 10 == 0 { "INSERT INTO absent VALUES (1)" } else { "SELECT 1 WHERE 0" };
                    connection.execute_batch(sql).map_err(|error| super::store_error(&error))
                })
                .await
        }
    });
    let failed = join_all(inserts).await.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(failed, 10);
    assert_eq!(count(&writer).await, 90);
}

#[tokio::test]
async fn a_duplicate_is_refused_to_its_own_caller_only() {
    let writer = writer();
    let outcomes = join_all([1, 2, 2, 3].map(|value| insert(&writer, value))).await;
    let refused =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(StoreError::Refused { .. }))).count();
    assert_eq!(refused, 1);
    assert_eq!(count(&writer).await, 3);
}

#[tokio::test]
async fn more_than_a_group_is_written_in_order_of_arrival() {
    let writer = writer();
    let values = 0..i64::try_from(3 * GROUP).unwrap();
    let outcomes = join_all(values.map(|value| insert(&writer, value))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(count(&writer).await, i64::try_from(3 * GROUP).unwrap());
}

#[tokio::test]
async fn a_group_that_the_database_rolled_back_is_acknowledged_to_nobody() {
    let writer = writer();
    insert(&writer, 1).await.unwrap();
    // ROLLBACK inside a write is what SQLite does by itself on a full disk.
    let rolled_back = writer
        .write(|connection| connection.execute_batch("ROLLBACK").map_err(|error| super::store_error(&error)));
    let (beside, rolled_back) = tokio::join!(insert(&writer, 2), rolled_back);
    assert!(matches!(rolled_back, Err(StoreError::Unavailable { .. })), "{rolled_back:?}");
    insert(&writer, 3).await.unwrap();
    assert_eq!(count(&writer).await, 2 + i64::from(beside.is_ok()));
}
