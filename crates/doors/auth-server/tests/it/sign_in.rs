//! Signing in: the form, the transaction and its browser, sessions, prompts, and guessing.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::text;
use crate::server::{PASSWORD, Server, Setup};

async fn login_page(browser: &mut Browser<'_>, server: &Server) -> Answer {
    let page = browser.visit(&server.portal().authorization_url(&[])).await;
    page.assert_page(200, "The-Portal");
    page
}

#[tokio::test]
async fn the_right_password_leads_to_consent_by_303() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = login_page(&mut browser, &server).await;
    let mut fields = page.fields();
    fields.extend([("username".into(), "ada".into()), ("password".into(), PASSWORD.into())]);
    let answer = browser.post("/login", &fields).await;
    assert_eq!(answer.status, 303);
    let consent = browser.follow(answer).await;
    consent.assert_page(200, "Allow");
    // The user's own name is data, not markup.
    assert!(consent.text.contains("Ada &#60;b&#62;Byron") || consent.text.contains("Ada &lt;b&gt;Byron"));
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_read_the_same() {
    let server = Server::start().await;
    let mut pages = Vec::new();
    for (username, password) in
        [("ada", "wrong"), ("nobody", PASSWORD), ("", ""), ("ADA", PASSWORD), ("ada", "correct horse")]
    {
        let mut browser = Browser::new(&server);
        let page = login_page(&mut browser, &server).await;
        let answer = browser.sign_in(&page, username, password).await;
        answer.assert_page(400, "The username or the password is wrong.");
        assert!(browser.cookies.keys().all(|name| name.starts_with("txn-")), "{:?}", browser.cookies);
        let fields = answer.fields();
        let plain = fields.iter().fold(answer.text.clone(), |text, (_, value)| text.replace(value, ""));
        let request = answer.header("request-id").unwrap().to_owned();
        pages.push(plain.replace(&request, ""));
        // The form may be used again.
        let again = browser.sign_in(&answer, "ada", PASSWORD).await;
        again.assert_page(200, "Allow");
    }
    assert!(pages.windows(2).all(|pair| pair[0] == pair[1]), "{pages:#?}");
    let record = server.records.with_reason("password_wrong").await;
    assert_eq!((&record["event"], &record["outcome"]), (&json!("signin.failure"), &json!("deny")));
}

/// Guesses at ada's password from the address with this number until it is locked.
async fn guess(server: &Server, from: u8) -> Answer {
    let mut browser = Browser::at(server, Ipv4Addr::new(127, 0, 7, from));
    let mut page = login_page(&mut browser, server).await;
    for _ in 0..10 {
        page = browser.sign_in(&page, "ada", "guess").await;
        page.assert_page(400, "wrong");
    }
    browser.sign_in(&page, "ada", PASSWORD).await
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guesser_and_then_allowed_again() {
    let server = Server::start().await;
    let locked = guess(&server, 1).await;
    locked.assert_page(429, "Too many attempts");
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    server.records.with_reason("too_many_attempts").await;
    // Also in another browser there.
    let there = Ipv4Addr::new(127, 0, 7, 1);
    let mut other = Browser::at(&server, there);
    let fresh = login_page(&mut other, &server).await;
    let locked = other.sign_in(&fresh, "ada", PASSWORD).await;
    locked.assert_page(429, "Too many attempts");
    // Other names there, and the same name elsewhere, are not held up.
    other.sign_in(&locked, "bob", PASSWORD).await.assert_page(200, "Allow");
    let mut ada = Browser::new(&server);
    let page = login_page(&mut ada, &server).await;
    ada.sign_in(&page, "ada", PASSWORD).await.assert_page(200, "Allow");
    server.clock.advance(Duration::from_secs(wait));
    let mut later = Browser::at(&server, there);
    let page = login_page(&mut later, &server).await;
    later.sign_in(&page, "ada", PASSWORD).await.assert_page(200, "Allow");
}

/// Guesses from many networks close the way of browsers that nobody knows, and never of those that ada has used.
#[tokio::test]
async fn a_browser_that_signed_in_before_is_not_locked_out_by_strangers() {
    let server = Server::start().await;
    let (mut ada, mut bob) = (Browser::new(&server), Browser::new(&server));
    server.portal().code_in(&mut ada, "ada", &[]).await;
    server.portal().code_in(&mut bob, "bob", &[]).await;
    for from in 1..=10 {
        guess(&server, from).await.assert_page(429, "Too many attempts");
    }
    server.clock.advance(Duration::from_mins(6));
    let login = server.portal().authorization_url(&[("prompt", "login")]);
    let mut unknown = Browser::new(&server);
    let page = unknown.visit(&login).await;
    let locked = unknown.sign_in(&page, "ada", PASSWORD).await;
    locked.assert_page(429, "Too many attempts");
    // A browser that bob is known by is as good as any other for ada, whatever its cookie is called.
    let value = |browser: &Browser<'_>| {
        let (name, value) = browser.cookies.iter().find(|(name, _)| name.starts_with("device-")).unwrap();
        (name.clone(), value.clone())
    };
    let (name, own) = value(&ada);
    let (_, of_bob) = value(&bob);
    let (since, rest) = own.split_once('.').unwrap();
    let older = format!("{}.{rest}", since.parse::<i64>().unwrap() - 1);
    for forged in [of_bob, String::new(), "..".into(), older, format!("{own}x"), own.replace('.', "")] {
        let mut thief = Browser::new(&server);
        thief.cookies.insert(name.clone(), forged);
        let page = thief.visit(&login).await;
        thief.sign_in(&page, "ada", PASSWORD).await.assert_page(429, "Too many attempts");
    }
    // Ada's own passes, also after she mistyped.
    let page = ada.visit(&login).await;
    let page = ada.sign_in(&page, "ada", "mistyped").await;
    page.assert_page(400, "wrong");
    assert!(ada.sign_in(&page, "ada", PASSWORD).await.redirected_with("code").is_some());
    assert_ne!(ada.cookies[&name], own, "every sign-in makes a new one");
    // It is no way to guess without end either.
    let mut page = ada.visit(&login).await;
    for _ in 0..10 {
        page = ada.sign_in(&page, "ada", "guess").await;
        page.assert_page(400, "wrong");
    }
    ada.sign_in(&page, "ada", PASSWORD).await.assert_page(429, "Too many attempts");
}

#[tokio::test]
async fn a_browser_is_known_for_half_a_year_and_by_eight_people() {
    let server = Server::start().await;
    let mut ada = Browser::new(&server);
    for number in 0..8 {
        ada.cookies.insert(format!("device-{number}"), "of somebody".into());
    }
    server.portal().code_in(&mut ada, "ada", &[]).await;
    let held: Vec<&String> = ada.cookies.keys().filter(|name| name.starts_with("device-")).collect();
    assert_eq!(held.len(), 1, "{held:?}");
    server.clock.advance(Duration::from_hours(24 * 180));
    for from in 1..=10 {
        guess(&server, from).await.assert_page(429, "Too many attempts");
    }
    server.clock.advance(Duration::from_mins(6));
    let page = login_page(&mut ada, &server).await;
    ada.sign_in(&page, "ada", PASSWORD).await.assert_page(429, "Too many attempts");
}

/// Many are pending: the newest of whoever began most gives way, in the store as well.
#[tokio::test]
async fn a_flood_of_sign_ins_gives_way_to_people() {
    let limits =
        "  limits: { pendingSignIns: 5, pendingSignInsPerNetwork: 4, signInsPerMinutePerNetwork: 100 }\n";
    let server = Setup::new().provider(limits).start().await;
    let mut flood: Vec<_> = (0..5).map(|_| Browser::at(&server, Ipv4Addr::new(127, 0, 7, 1))).collect();
    let mut pages = Vec::new();
    for browser in &mut flood {
        pages.push(login_page(browser, &server).await);
    }
    // Its fifth took the place of its first.
    flood[0].sign_in(&pages[0], "ada", PASSWORD).await.assert_page(403, "took too long");
    let mut people: Vec<_> = (1..=2).map(|n| Browser::at(&server, Ipv4Addr::new(127, 0, 8, n))).collect();
    for (n, browser) in people.iter_mut().enumerate() {
        let page = login_page(browser, &server).await;
        let consent = browser.sign_in(&page, "ada", PASSWORD).await;
        consent.assert_page(200, "Allow");
        if n == 0 {
            flood[4].sign_in(&pages[4], "ada", "guess").await.assert_page(400, "wrong");
        } else {
            flood[4].sign_in(&pages[4], "ada", "guess").await.assert_page(403, "took too long");
        }
    }
    // With its three it has more than anybody, so it is refused itself.
    let refused = flood[0].get(&server.portal().authorization_url(&[])).await;
    refused.assert_page(429, "Too many sign-ins were begun");
    assert!(refused.header("retry-after").is_some() && refused.header("set-cookie").is_none());
    server.records.with_reason("too_many_signins").await;
    // Whoever gets a code needs no place any more.
    let url = server.portal().authorization_url(&[]);
    assert!(people[0].approve_as("ada", &url).await.redirected_with("code").is_some());
}

#[tokio::test]
async fn a_name_that_nobody_has_is_locked_like_one_that_somebody_has() {
    let server = Server::start().await;
    let mut statuses = Vec::new();
    for username in ["ada", "nobody"] {
        let mut browser = Browser::new(&server);
        let mut page = login_page(&mut browser, &server).await;
        let mut seen = Vec::new();
        for _ in 0..12 {
            page = browser.sign_in(&page, username, "guess").await;
            seen.push((page.status, page.header("retry-after").map(str::to_owned)));
        }
        statuses.push(seen);
    }
    assert_eq!(statuses[0], statuses[1]);
    assert_eq!(statuses[1][10].0, 429);
}

#[tokio::test]
async fn sign_ins_are_not_begun_without_end() {
    let server = Server::start().await;
    let url = server.cli().authorization_url(&[]);
    for _ in 0..600 {
        let begun = Browser::new(&server).get(&url).await;
        assert!(begun.status == 302 || begun.status == 303, "{begun:#?}");
    }
    let refused = Browser::new(&server).get(&url).await;
    refused.assert_page(429, "Too many sign-ins were begun");
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert!(refused.header("set-cookie").is_none());
    server.records.with_reason("too_many_signins").await;
    server.clock.advance(Duration::from_mins(1));
    login_page(&mut Browser::new(&server), &server).await;
}

#[tokio::test]
async fn guessing_many_names_is_slowed_down_for_the_address() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let mut page = login_page(&mut browser, &server).await;
    for number in 0..50 {
        page = browser.sign_in(&page, &format!("user-{number}"), "guess").await;
        page.assert_page(400, "wrong");
    }
    browser.sign_in(&page, "user-51", "guess").await.assert_page(429, "Too many attempts");
}

#[tokio::test]
async fn a_form_without_its_token_is_refused() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = login_page(&mut browser, &server).await;
    let other = login_page(&mut browser, &server).await;
    let csrf_of = |page: &Answer| page.fields().into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    for forged in [String::new(), "x".into(), csrf_of(&other)] {
        let mut fields: Vec<_> = page.fields().into_iter().filter(|(name, _)| name != "csrf").collect();
        fields.extend([("username".into(), "ada".into()), ("password".into(), PASSWORD.into())]);
        fields.push(("csrf".into(), forged));
        let answer = browser.post("/login", &fields).await;
        answer.assert_page(403, "did not come from our own page");
    }
    server.records.with_reason("csrf_token_wrong").await;
}

/// Another browser can neither sign in to a transaction nor be made to.
#[tokio::test]
async fn a_transaction_belongs_to_the_browser_that_began_it() {
    let server = Server::start().await;
    let (mut first, mut second) = (Browser::new(&server), Browser::new(&server));
    let page = login_page(&mut first, &server).await;
    let transaction = page.fields().into_iter().find(|(name, _)| name == "transaction").unwrap().1;
    let url = format!("/login?transaction={transaction}");
    second.get(&url).await.assert_page(400, "begun in another browser");
    second.sign_in(&page, "ada", PASSWORD).await.assert_page(403, "begun in another browser");
    // With a cookie of another transaction of its own it is no better off.
    login_page(&mut second, &server).await;
    let own = second.cookies.values().next().unwrap().clone();
    second.cookies.insert(format!("txn-{transaction}"), own);
    second.get(&url).await.assert_page(400, "begun in another browser");
    // The first one goes on undisturbed, and the other cannot step in before consent either.
    let consent = first.sign_in(&page, "ada", PASSWORD).await;
    let url = format!("/consent?transaction={transaction}");
    second.get(&url).await.assert_page(400, "begun in another browser");
    second.decide(&consent, "approve").await.assert_page(403, "begun in another browser");
    assert!(first.decide(&consent, "approve").await.redirected_with("code").is_some());
}

#[tokio::test]
async fn transactions_run_side_by_side_and_end_after_ten_minutes() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let one = login_page(&mut browser, &server).await;
    let two = login_page(&mut browser, &server).await;
    browser.sign_in(&two, "bob", PASSWORD).await.assert_page(200, "Allow");
    let consent = browser.sign_in(&one, "ada", PASSWORD).await;
    consent.assert_page(200, "Ada");
    server.clock.advance(Duration::from_mins(10));
    browser.decide(&consent, "approve").await.assert_page(403, "took too long");
}

#[tokio::test]
async fn a_finished_transaction_takes_no_further_step() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = login_page(&mut browser, &server).await;
    let cookies = browser.cookies.clone();
    let consent = browser.sign_in(&page, "ada", PASSWORD).await;
    assert!(browser.decide(&consent, "approve").await.redirected_with("code").is_some());
    assert!(browser.cookies.keys().all(|name| !name.starts_with("txn-")), "{:?}", browser.cookies);
    browser.cookies.extend(cookies);
    browser.decide(&consent, "approve").await.assert_page(400, "is over");
    browser.sign_in(&page, "bob", PASSWORD).await.assert_page(400, "is over");
}

/// An id that was known before the sign-in never becomes the session's.
#[tokio::test]
async fn every_sign_in_makes_a_new_session() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.cookies.insert("maverics_session".into(), "fixed-by-an-attacker".into());
    let page = login_page(&mut browser, &server).await;
    browser.sign_in(&page, "ada", PASSWORD).await;
    let first = browser.cookies["maverics_session"].clone();
    assert_ne!(first, "fixed-by-an-attacker");
    let page = browser.visit(&server.portal().authorization_url(&[("prompt", "login")])).await;
    browser.sign_in(&page, "ada", PASSWORD).await;
    assert_ne!(browser.cookies["maverics_session"], first);
    // The old session is over.
    let mut thief = Browser::new(&server);
    thief.cookies.insert("maverics_session".into(), first);
    thief.visit(&server.portal().authorization_url(&[])).await.assert_page(200, "name=\"password\"");
}

#[tokio::test]
async fn cookies_are_guarded() {
    let server = Server::start().await;
    let answer = Browser::new(&server).get(&server.portal().authorization_url(&[])).await;
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    // The prefix and `Secure` come with an https issuer.
    let behind_proxy = Setup::new()
        .edit("discovery: { issuer: \"http://", "discovery: { issuer: \"https://")
        .edit("publicURL: \"http://", "publicURL: \"https://")
        .start()
        .await;
    let url = behind_proxy.portal().authorization_url(&[("resource", "https://tools.example/api")]);
    let answer = Browser::new(&behind_proxy).get(&url).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-txn-") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_session_signs_in_until_it_was_idle_or_lasted_too_long() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    portal.code_in(&mut browser, "ada", &[]).await;
    // Used every 50 minutes it stays, with an idle limit of an hour.
    for _ in 0..9 {
        server.clock.advance(Duration::from_mins(50));
        let answer = browser.visit(&portal.authorization_url(&[])).await;
        assert!(answer.redirected_with("code").is_some(), "{answer:#?}");
    }
    // Eight hours after the sign-in it ends, used or not.
    server.clock.advance(Duration::from_mins(35));
    browser.visit(&portal.authorization_url(&[])).await.assert_page(200, "name=\"password\"");

    let mut idle = Browser::new(&server);
    portal.code_in(&mut idle, "ada", &[]).await;
    server.clock.advance(Duration::from_mins(61));
    idle.visit(&portal.authorization_url(&[])).await.assert_page(200, "name=\"password\"");
}

#[tokio::test]
async fn prompt_none_shows_nothing() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    let silent = portal.authorization_url(&[("prompt", "none")]);
    let answer = browser.get(&silent).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("login_required"));
    assert_eq!(answer.redirected_with("iss").as_deref(), Some(server.issuer.as_str()));
    // Signed in, but this was not agreed to.
    server.cli().code_in(&mut browser, "ada", &[]).await;
    let answer = browser.visit(&silent).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("consent_required"));
    portal.code_in(&mut browser, "ada", &[]).await;
    let answer = browser.visit(&silent).await;
    assert!(answer.redirected_with("code").is_some(), "{answer:#?}");
}

#[tokio::test]
async fn prompts_ask_again() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    portal.code_in(&mut browser, "ada", &[]).await;
    for prompt in ["login", "select_account"] {
        let page = browser.visit(&portal.authorization_url(&[("prompt", prompt)])).await;
        page.assert_page(200, "name=\"password\"");
    }
    let page = browser.visit(&portal.authorization_url(&[("prompt", "consent")])).await;
    page.assert_page(200, "value=\"approve\"");
}

#[tokio::test]
async fn max_age_asks_for_a_fresh_sign_in_and_the_token_tells_when() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    let begun = 1_800_000_000;
    portal.code_in(&mut browser, "ada", &[]).await;
    server.clock.advance(Duration::from_secs(100));
    let scope = ("scope", "openid");
    let young = portal.authorization_url(&[("max_age", "100"), scope]);
    let code = browser.approve_as("ada", &young).await.redirected_with("code").unwrap();
    let tokens = portal.redeem(&code).await.ok();
    assert_eq!(server.claims(text(&tokens, "id_token"))["auth_time"], json!(begun));
    let old = portal.authorization_url(&[("max_age", "99"), scope]);
    let page = browser.visit(&old).await;
    page.assert_page(200, "name=\"password\"");
    let answer = browser.sign_in(&page, "ada", PASSWORD).await;
    let code = browser.follow(answer).await.redirected_with("code").unwrap();
    let tokens = portal.redeem(&code).await.ok();
    assert_eq!(server.claims(text(&tokens, "id_token"))["auth_time"], json!(begun + 100));
    assert_eq!(server.claims(text(&tokens, "access_token"))["auth_time"], json!(begun + 100));
    let silent = portal.authorization_url(&[("max_age", "0"), ("prompt", "none")]);
    server.clock.advance(Duration::from_secs(1));
    let answer = browser.visit(&silent).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn id_token_hints_name_the_user_who_must_be_signed_in() {
    let server = Server::start().await;
    let portal = server.portal();
    let mut browser = Browser::new(&server);
    let code = portal.code_in(&mut browser, "ada", &[("scope", "openid")]).await;
    let ada = portal.redeem(&code).await.ok();
    let bob = portal.tokens_for("bob", &[("scope", "openid")]).await;
    let (ada, bob) = (text(&ada, "id_token"), text(&bob, "id_token"));
    // Hints are good long after they expired.
    server.clock.advance(Duration::from_mins(50));
    let with = |hint: &str| {
        portal.authorization_url(&[("prompt", "none"), ("id_token_hint", hint), ("scope", "openid")])
    };
    assert!(browser.visit(&with(ada)).await.redirected_with("code").is_some());
    let forged = format!("{}x", &ada[..ada.len() - 1]);
    for hint in [bob, "nonsense", &forged] {
        let answer = browser.visit(&with(hint)).await;
        assert_eq!(answer.redirected_with("error").as_deref(), Some("login_required"), "{hint}");
    }
    // Signing in as somebody else than the hint names does not help.
    let interactive = portal.authorization_url(&[("id_token_hint", ada)]);
    let mut other = Browser::new(&server);
    let page = other.visit(&interactive).await;
    let answer = other.sign_in(&page, "bob", PASSWORD).await;
    assert_eq!(answer.redirected_with("error").as_deref(), Some("login_required"));
}

/// A user who was removed from the configuration is not signed in by an old session.
#[tokio::test]
async fn sessions_of_removed_users_and_connectors_are_worth_nothing() {
    let mut server = Server::start().await;
    let cookies = {
        let mut browser = Browser::new(&server);
        server.portal().code_in(&mut browser, "bob", &[]).await;
        browser.cookies.clone()
    };
    server.reconfigure("username: bob", "username: robert");
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    let page = browser.visit(&server.portal().authorization_url(&[])).await;
    page.assert_page(200, "name=\"password\"");
}

/// A shorter life counts for sessions that began before it was configured.
#[tokio::test]
async fn sessions_obey_the_rules_of_today() {
    let mut server = Server::start().await;
    let cookies = {
        let mut browser = Browser::new(&server);
        server.portal().code_in(&mut browser, "ada", &[]).await;
        browser.cookies.clone()
    };
    server.clock.advance(Duration::from_mins(20));
    server.reconfigure("maxTimeout: 8h, idleTimeout: 1h", "maxTimeout: 20m, idleTimeout: 20m");
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    browser.visit(&server.portal().authorization_url(&[])).await.assert_page(200, "name=\"password\"");
}

/// Two cookies of one name: one of them is somebody else's, so neither counts.
#[tokio::test]
async fn a_planted_second_cookie_signs_nobody_in() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    server.portal().code_in(&mut browser, "ada", &[]).await;
    let mine = browser.cookies["maverics_session"].clone();
    for both in [format!("theirs; maverics_session={mine}"), format!("{mine}; maverics_session=theirs")] {
        let mut victim = Browser::new(&server);
        victim.cookies.insert("maverics_session".into(), both);
        let page = victim.visit(&server.portal().authorization_url(&[])).await;
        page.assert_page(200, "name=\"password\"");
    }
}
