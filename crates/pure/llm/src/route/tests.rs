use super::{Failure, Route, Shown, attempts, most_telling};
use crate::model::tests::model;

#[test]
fn attempts_keep_the_configured_order() {
    let mut model = model("m");
    model.routes = ["eu", "us"].map(|app| Route { app: app.into(), model: format!("{app}.m") }).to_vec();
    let tried: Vec<_> =
        attempts(&model).map(|attempt| (attempt.number, attempt.route.app.as_str())).collect();
    assert_eq!(tried, [(1, "eu"), (2, "us")]);
}

#[test]
fn only_failures_that_another_provider_may_not_have_fail_over() {
    for status in [401, 403, 404, 408, 429, 500, 501, 502, 503, 504, 529] {
        assert!(Failure::Status(status).fails_over(), "{status}");
    }
    for status in [302, 400, 402, 405, 409, 413, 415, 422] {
        assert!(!Failure::Status(status).fails_over(), "{status}");
    }
    assert!(Failure::Unreachable.fails_over() && Failure::TimedOut.fails_over());
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
    assert_eq!(most_telling(&[]), None);
}

#[test]
fn the_client_never_pays_for_the_gateways_credential() {
    for status in [401, 403, 404, 302] {
        assert!(matches!(Failure::Status(status).shown(), Shown::Ours { status: 502, .. }), "{status}");
    }
    for status in [400, 402, 413, 429, 500, 529] {
        assert_eq!(Failure::Status(status).shown(), Shown::Provider, "{status}");
    }
    assert!(matches!(Failure::TimedOut.shown(), Shown::Ours { status: 504, .. }));
}
