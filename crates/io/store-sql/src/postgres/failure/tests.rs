use gatehouse_store::error::StoreError;

use super::{is_of_another_server, may_pass, store_error};

#[test]
fn a_lost_server_is_unavailable_and_a_wrong_statement_is_refused() {
    for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::WorkerCrashed] {
        assert!(matches!(store_error(&error), StoreError::Unavailable { .. }), "{error}");
    }
    assert!(matches!(store_error(&sqlx::Error::RowNotFound), StoreError::Refused { .. }));
}

#[test]
fn states_are_sorted_by_class() {
    for state in ["08006", "40P01", "53300", "57P03", "58030", "25006", "55P03"] {
        assert!(may_pass(state), "{state}");
    }
    for state in ["42P01", "23505", "22003", "25001", "0A000"] {
        assert!(!may_pass(state), "{state}");
    }
}

#[test]
fn some_states_say_that_the_primary_may_be_elsewhere() {
    for state in ["25006", "57P01", "57P02", "57P03", "08006", "08P01", "08001"] {
        assert!(is_of_another_server(state) && may_pass(state), "{state}");
    }
    for state in ["25P02", "57014", "40001", "53300", "55P03", "0A000"] {
        assert!(!is_of_another_server(state), "{state}");
    }
}
