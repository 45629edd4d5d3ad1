use super::{Failure, Fault, Route, Shown, attempts, most_telling};
use crate::model::pattern::Asked;
use crate::model::tests::model;

#[test]
fn attempts_keep_the_configured_order() {
    let mut model = model("m");
    model.routes = ["eu", "us"].map(|app| Route { app: app.into(), model: format!("{app}.m") }).to_vec();
    let tried: Vec<_> =
        attempts(Asked::literal(&model)).map(|attempt| (attempt.number, attempt.app)).collect();
    assert_eq!(tried, [(1, "eu"), (2, "us")]);
}

#[test]
fn only_failures_that_another_provider_may_not_have_fail_over() {
    for status in [302, 401, 402, 403, 404, 405, 407, 408, 421, 429, 500, 501, 502, 503, 504, 529] {
        assert!(Failure::Status(status).fails_over(), "{status}");
    }
    for status in [400, 409, 413, 415, 422] {
        assert!(!Failure::Status(status).fails_over(), "{status}");
    }
    assert!(Failure::Unreachable.fails_over() && Failure::TimedOut.fails_over());
    assert!(Failure::NoSuchModel.fails_over(), "another provider may have it");
}

#[test]
fn the_most_telling_failure_is_shown() {
    let told =
        |statuses: &[u16]| most_telling(&statuses.iter().copied().map(Failure::Status).collect::<Vec<_>>());
    assert_eq!(told(&[429, 401, 500]), Some(Failure::Status(429)));
    assert_eq!(told(&[404, 403, 500]), Some(Failure::Status(403)));
    assert_eq!(told(&[404, 501]), Some(Failure::Status(404)));
    assert_eq!(told(&[501, 500]), Some(Failure::Status(501)));
    assert_eq!(most_telling(&[Failure::Status(500), Failure::TimedOut]), Some(Failure::TimedOut));
    assert_eq!(most_telling(&[Failure::Status(500), Failure::NoSuchModel]), Some(Failure::Status(500)));
    assert_eq!(most_telling(&[Failure::NoSuchModel]), Some(Failure::NoSuchModel));
    assert_eq!(most_telling(&[]), None);
}

#[test]
fn the_client_never_pays_for_the_gateways_credential() {
    for status in [302, 401, 403, 404, 405, 407, 421] {
        assert!(matches!(Failure::Status(status).shown(), Shown::Ours { status: 502, .. }), "{status}");
    }
    for status in [400, 402, 413, 429, 500, 529] {
        assert_eq!(Failure::Status(status).shown(), Shown::Provider, "{status}");
    }
    assert!(matches!(Failure::TimedOut.shown(), Shown::Ours { status: 504, .. }));
}

#[test]
fn whose_fault_a_failure_is_decides_who_is_told() {
    for status in [301, 307, 401, 402, 403, 404, 405, 407, 410, 421, 426] {
        assert_eq!(Failure::Status(status).fault(), Fault::Account, "{status}");
    }
    for status in [400, 406, 409, 411, 413, 415, 422, 431, 451] {
        assert_eq!(Failure::Status(status).fault(), Fault::Request, "{status}");
    }
    for status in [408, 429, 500, 502, 503, 504, 520, 529] {
        assert_eq!(Failure::Status(status).fault(), Fault::Provider, "{status}");
    }
    assert_eq!(Failure::Unreachable.fault(), Fault::Provider);
}

#[test]
fn what_lasts_is_not_worth_another_try() {
    for status in [302, 401, 402, 403, 404, 413, 501, 505, 511] {
        assert!(Failure::Status(status).lasts(), "{status}");
    }
    for status in [408, 409, 429, 500, 502, 503, 504, 520, 529] {
        assert!(!Failure::Status(status).lasts(), "{status}");
    }
    assert!(Failure::TimedOut.lasts() && !Failure::Unreachable.lasts());
}
