use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use tokio::time::Instant;

use gatehouse_edge::rejection::RejectionKind;
use gatehouse_identity::secret::Secret;

use super::{Measure, PasswordChecks, WAITING};
use crate::connector::local::Password;

fn hash(password: &str, memory: u32) -> Secret {
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, 1, 1, None).unwrap());
    Secret::new(argon.hash_password(password.as_bytes()).unwrap().to_string())
}

fn own(hash: &Secret) -> Measure {
    Measure { own: Some(hash.clone()), others: Vec::new() }
}

#[tokio::test]
async fn only_the_right_password_of_the_user_matches() {
    let checks = PasswordChecks::start().unwrap();
    let (ada, bob) = (hash("of ada", 8), hash("of bob", 16));
    let from: IpAddr = Ipv4Addr::LOCALHOST.into();
    let asked = |password, own: Option<&Secret>| {
        let measure = Measure { own: own.cloned(), others: vec![bob.clone()] };
        checks.matches(Password::new(password), measure, from)
    };
    assert!(asked("of ada", Some(&ada)).await.unwrap());
    // The password of whoever stands in is nobody else's.
    assert!(!asked("of bob", Some(&ada)).await.unwrap());
    assert!(!asked("of bob", None).await.unwrap());
    assert!(!asked("", Some(&ada)).await.unwrap());
}

/// Thousands of guesses wait from two hundred addresses, and somebody comes from another one.
#[tokio::test]
async fn a_flood_is_refused_at_once_and_a_person_passes_it() {
    let checks = PasswordChecks::start().unwrap();
    let dear = hash("right", 16 * 1024);
    let flood = (0..2_000_u32).map(|n| {
        let from = Ipv4Addr::from_bits(0x0a00_0000 + n % 200);
        let answer = checks.matches(Password::new("guess"), own(&dear), from.into());
        async move { answer.await.map_err(|rejection| (rejection.kind, rejection.retry_after)) }
    });
    let person = async {
        tokio::task::yield_now().await;
        let began = Instant::now();
        let matches = checks.matches(Password::new("right"), own(&dear), [192, 0, 2, 1].into()).await;
        (matches.unwrap(), began.elapsed())
    };
    let (answers, (matches, took)) = tokio::join!(futures_util::future::join_all(flood), person);
    assert!(matches);
    // One turn of each thread may be ahead; a queue of 64 would take many times as long.
    assert!(took < Duration::from_secs(2), "{took:?}");
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert!(refused >= 2_000 - WAITING - 200, "{refused}");
    let told = Err((RejectionKind::RateLimited, Some(Duration::from_secs(2))));
    assert!(answers.iter().filter(|answer| answer.is_err()).all(|answer| *answer == told));
}
