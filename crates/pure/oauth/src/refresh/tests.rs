use proptest::{prop_assert, prop_assert_eq, proptest};

use gatehouse_identity::address::ClientIp;

use super::*;
use crate::client::Client;
use crate::client::fixtures::{
    CountingRng, NOW, authenticated, form, gateway_client, public_client, request, scopes, user,
};
use crate::grant::{BrowserBinding, CodeHash, Pending};
use crate::target;

impl RefreshToken {
    pub(crate) fn random_for_tests(rng: &dyn Rng) -> Self {
        Self::random(FamilyId::random(rng), 7, rng)
    }
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn native() -> RefreshRules {
    RefreshRules::of(public_client().refresh.as_ref().unwrap(), ClientKind::Public)
}

fn strict() -> RefreshRules {
    RefreshRules { stale_tolerance: Duration::ZERO, stale_hits_allowed: 0, ..native() }
}

fn confidential() -> RefreshRules {
    RefreshRules::of(public_client().refresh.as_ref().unwrap(), ClientKind::Confidential)
}

fn ip(octets: [u8; 4]) -> ClientIp {
    std::net::IpAddr::from(octets).into()
}

fn laptop() -> Participant {
    Participant::new(ip([192, 0, 2, 7]), Some("claude-code/2.1.3 (cli)"))
}

fn begin(rng: &CountingRng) -> (RefreshFamily, RefreshToken) {
    let pending = Pending::new(
        GrantId::new("g-1"),
        request(&[("scope", "openid pii:read offline_access")]),
        BrowserBinding::of("b"),
        NOW,
        Duration::from_mins(1),
    );
    let authenticated = pending.authenticate(user(), NOW).unwrap();
    let scopes = authenticated.request.scopes.clone();
    let consented = authenticated.consent(scopes, CodeHash::of("c"), NOW).unwrap();
    let active = consented.redeemed(NOW, after(1_000_000_000));
    RefreshFamily::begin(&active, public_client().refresh.as_ref().unwrap(), NOW, rng)
}

fn rotated(family: &RefreshFamily, token: &RefreshToken, now: Timestamp, rng: &CountingRng) -> Rotation {
    assert!(matches!(judge(family, token, now, &native()), RefreshDecision::Rotate));
    family.rotate(token, &laptop(), now, &native(), rng).unwrap()
}

fn judge(
    family: &RefreshFamily,
    token: &RefreshToken,
    now: Timestamp,
    rules: &RefreshRules,
) -> RefreshDecision {
    decide(family, token, &authenticated(&public_client()), now, rules)
}

fn text(token: &RefreshToken) -> String {
    token.to_text().expose().to_owned()
}

#[test]
fn tokens_have_exactly_one_text() {
    let rng = CountingRng::default();
    let token = text(&RefreshToken::random_for_tests(&rng));
    assert_eq!(text(&RefreshToken::parse(&token).unwrap()), token);
    let mut parts = token.split('.').map(str::to_owned).collect::<Vec<_>>();
    parts[1] = "07".into();
    for bad in [
        parts.join("."),
        token.replace("rt_", ""),
        token.replace(".7.", ".0."),
        token.replace(".7.", ".+7."),
        token.replace(".7.", ".99999999999999999999."),
        format!("{token}A"),
        format!("{token}."),
        format!("{token}="),
        token.get(..token.len() - 1).unwrap().to_owned(),
        "rt_..".into(),
        String::new(),
    ] {
        assert!(RefreshToken::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn the_previous_token_yields_the_same_successor_within_the_window() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let rotation = rotated(&family, &first, after(10), &rng);
    assert_eq!((rotation.expected_generation, rotation.next.generation), (1, 2));
    for used in [false, true] {
        let row = RefreshFamily { successor_used: used, ..rotation.next.clone() };
        let RefreshDecision::Replay { successor } = judge(&row, &first, after(70), &strict()) else {
            panic!("must be replayed")
        };
        assert_eq!(text(&successor), text(&rotation.successor));
    }
}

#[test]
fn a_lost_answer_is_repeated_for_ten_minutes_while_its_token_was_never_used() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let row = rotated(&family, &first, NOW, &rng).next;
    assert!(matches!(judge(&row, &first, after(600), &strict()), RefreshDecision::Replay { .. }));
    assert!(matches!(judge(&row, &first, after(601), &native()), RefreshDecision::Stale));
    assert!(matches!(judge(&row, &first, after(601), &strict()), RefreshDecision::Theft(TheftSign::TooLate)));
    let used = RefreshFamily { successor_used: true, ..row };
    assert!(matches!(judge(&used, &first, after(61), &native()), RefreshDecision::Stale));
    assert!(matches!(judge(&used, &first, after(61), &strict()), RefreshDecision::Theft(TheftSign::TooLate)));
}

#[test]
fn a_confidential_client_has_the_window_and_nothing_for_lost_answers() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let row = rotated(&family, &first, NOW, &rng).next;
    assert!(matches!(judge(&row, &first, after(60), &confidential()), RefreshDecision::Replay { .. }));
    assert!(matches!(judge(&row, &first, after(61), &confidential()), RefreshDecision::Stale));
}

/// Whoever presents a token within moments of another network or program shares it, whichever of the two tokens it is.
#[test]
fn two_networks_or_programs_in_one_window_are_seen() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let rotation = rotated(&family, &first, NOW, &rng);
    let row = rotation.next;
    let shared = |token: &RefreshToken, by: &Participant, seconds| {
        let decision = judge(&row, token, after(seconds), &native());
        row.shared_with(by, &decision, after(seconds), &native()).cloned()
    };
    let sibling = Participant::new(ip([192, 0, 2, 200]), Some("Claude-Code/2.1.4"));
    let elsewhere = Participant::new(ip([198, 51, 100, 1]), Some("claude-code/2.1.3"));
    let script = Participant::new(ip([192, 0, 2, 7]), Some("curl/8.9"));
    for (token, seconds) in [(&first, 10), (&first, 60), (&first, 300), (&rotation.successor, 30)] {
        assert_eq!(shared(token, &laptop(), seconds), None, "{seconds}");
        assert_eq!(shared(token, &sibling, seconds), None, "{seconds}");
        assert_eq!(shared(token, &elsewhere, seconds), Some(laptop()), "{seconds}");
        assert_eq!(shared(token, &script, seconds), Some(laptop()), "{seconds}");
    }
    // Later on, a laptop in another network refreshes as it would at home.
    assert_eq!(shared(&rotation.successor, &elsewhere, 61), None);
    // Nobody knows who rotated a family that an older release wrote.
    let older = RefreshFamily { rotated_by: None, ..row };
    let decision = judge(&older, &first, after(10), &native());
    assert_eq!(older.shared_with(&elsewhere, &decision, after(10), &native()), None);
}

#[test]
fn a_network_is_what_a_provider_hands_out() {
    let at = |address: &str| Participant::new(address.parse().unwrap(), None);
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.254", true),
        ("192.0.2.1", "192.0.3.1", false),
        ("192.0.2.1", "::ffff:192.0.2.9", true),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("::", "0.0.0.0", false),
    ] {
        assert_eq!(at(one).is_one_with(&at(other)), same, "{one} {other}");
    }
}

#[test]
fn the_current_token_is_known_whoever_has_it() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let rotation = rotated(&family, &first, NOW, &rng);
    assert!(rotation.next.is_current(&rotation.successor));
    assert!(!rotation.next.is_current(&first));
    let guess = RefreshToken::parse(&format!("rt_{}.2.{}", family.id, rng.token(32))).unwrap();
    assert!(!rotation.next.is_current(&guess));
}

#[test]
fn a_sleeper_is_refused_without_killing_the_family_until_it_is_too_late_or_too_often() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let mut row = RefreshFamily { successor_used: true, ..rotated(&family, &first, NOW, &rng).next };
    for _ in 0..5 {
        assert!(matches!(judge(&row, &first, after(3600), &native()), RefreshDecision::Stale));
        row = row.with_stale_hit();
    }
    assert!(matches!(
        judge(&row, &first, after(3600), &native()),
        RefreshDecision::Theft(TheftSign::TooOften)
    ));
    row.stale_hits = 0;
    assert!(matches!(
        judge(&row, &first, after(86_401), &native()),
        RefreshDecision::Theft(TheftSign::TooLate)
    ));
}

#[test]
fn a_token_from_two_generations_ago_is_theft_beyond_the_tolerance() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let second = rotated(&family, &first, after(10), &rng);
    let third = rotated(&second.next, &second.successor, after(20), &rng);
    assert!(matches!(
        judge(&third.next, &first, after(30), &strict()),
        RefreshDecision::Theft(TheftSign::TooLate)
    ));
    assert!(matches!(judge(&third.next, &first, after(30), &native()), RefreshDecision::Stale));
    let forged = RefreshToken::parse(&text(&second.successor).replace(".2.", ".1.")).unwrap();
    assert!(matches!(
        judge(&third.next, &forged, after(30), &strict()),
        RefreshDecision::Invalid(RefreshRefusal::Unknown)
    ));
}

#[test]
fn a_forgotten_generation_is_theft() {
    let rng = CountingRng::default();
    let (mut row, first) = begin(&rng);
    let mut token = first.clone();
    for _ in 0..REMEMBERED_GENERATIONS + 2 {
        let rotation = rotated(&row, &token, NOW, &rng);
        (row, token) = (rotation.next, rotation.successor);
    }
    assert_eq!(row.retired.len(), REMEMBERED_GENERATIONS);
    assert!(matches!(judge(&row, &first, NOW, &native()), RefreshDecision::Theft(TheftSign::Forgotten)));
}

#[test]
fn only_good_tokens_of_the_right_client_and_a_living_family_count() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let refusal = |family: &RefreshFamily, token: &RefreshToken, client: &Client, now| match decide(
        family,
        token,
        &authenticated(client),
        now,
        &native(),
    ) {
        RefreshDecision::Invalid(refusal) => refusal,
        other => panic!("must be refused: {other}"),
    };
    let client = public_client();
    assert_eq!(refusal(&family, &first, &gateway_client(), NOW), RefreshRefusal::WrongClient);
    let (_, foreign) = begin(&rng);
    assert_eq!(refusal(&family, &foreign, &client, NOW), RefreshRefusal::Unknown);
    let guess = RefreshToken::parse(&format!("rt_{}.1.{}", family.id, rng.token(32))).unwrap();
    assert_eq!(refusal(&family, &guess, &client, NOW), RefreshRefusal::Unknown);
    let future = RefreshToken::parse(&text(&first).replace(".1.", ".2.")).unwrap();
    assert_eq!(refusal(&family, &future, &client, NOW), RefreshRefusal::Unknown);
    let revoked = RefreshFamily { revoked_at: Some(NOW), ..family.clone() };
    assert_eq!(refusal(&revoked, &first, &client, NOW), RefreshRefusal::Revoked);
    assert_eq!(refusal(&family, &first, &client, family.expires_at), RefreshRefusal::Expired);
    let idle = RefreshFamily { idle_expires_at: after(5), ..family };
    assert_eq!(refusal(&idle, &first, &client, after(5)), RefreshRefusal::Expired);
}

#[test]
fn idle_families_die_and_used_ones_live_to_their_absolute_end() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let rules = RefreshRules { idle_lifetime: Some(Duration::from_secs(100)), ..native() };
    assert_eq!(
        family.rotate(&first, &laptop(), after(10), &rules, &rng).unwrap().next.idle_expires_at,
        after(110)
    );
    let late = Timestamp::from_unix_seconds(family.expires_at.unix_seconds() - 10);
    assert_eq!(
        family.rotate(&first, &laptop(), late, &rules, &rng).unwrap().next.idle_expires_at,
        family.expires_at
    );
}

#[test]
fn the_stored_row_yields_no_token_and_survives_storage() {
    let rng = CountingRng::default();
    let (family, first) = begin(&rng);
    let rotation = rotated(&family, &first, NOW, &rng);
    let stored = serde_json::to_string(&rotation.next).unwrap();
    assert_eq!(serde_json::from_str::<RefreshFamily>(&stored).unwrap(), rotation.next);
    for secret in [first.secret(), rotation.successor.secret()] {
        assert!(!stored.contains(secret));
    }
    // The sealed successor opens under its own predecessor only.
    let sealed = rotation.next.previous_sealed.as_ref().unwrap();
    assert!(sealed.open(&first, 2).is_ok());
    assert!(sealed.open(&first, 3).is_err());
    assert!(sealed.open(&rotation.successor, 2).is_err());
    assert!(format!("{first:?}").contains("generation: 1"));
    assert!(!format!("{first:?}").contains(first.secret()));
}

#[test]
fn t11_a_refresh_never_widens() {
    let (family, _) = begin(&CountingRng::default());
    let none = target::requested(&form(&[])).unwrap();
    assert_eq!(family.narrow(None, &none).unwrap().0, scopes("openid pii:read offline_access"));
    assert_eq!(family.narrow(Some(&scopes("openid")), &none).unwrap().0, scopes("openid"));
    assert_eq!(
        family.narrow(Some(&scopes("openid email")), &none).unwrap_err().code(),
        ErrorCode::InvalidScope
    );
    let other = target::requested(&form(&[("resource", "https://other.example")])).unwrap();
    assert_eq!(family.narrow(None, &other).unwrap_err().code(), ErrorCode::InvalidTarget);
}

/// One process of a client: what it holds, and the row that it read and has not acted on yet.
#[derive(Clone)]
struct Process {
    token: RefreshToken,
    read: Option<RefreshFamily>,
}

/// A row in a store with conditional writes, and processes that share one login.
struct Model {
    row: RefreshFamily,
    rng: CountingRng,
    now: u64,
    processes: Vec<Process>,
    /// The one successor of each generation that was ever written.
    written: std::collections::BTreeMap<u64, String>,
    failures: Vec<String>,
}

impl Model {
    fn new(processes: usize) -> Self {
        let rng = CountingRng::default();
        let (row, token) = begin(&rng);
        let written = [(1, text(&token))].into();
        let processes = vec![Process { token, read: None }; processes];
        Self { row, rng, now: 0, processes, written, failures: Vec::new() }
    }

    /// One half step of process `index`: read the row, or act on the row it read before.
    fn step(&mut self, index: usize) {
        let process = self.processes[index].clone();
        let Some(read) = process.read else {
            self.processes[index].read = Some(self.row.clone());
            return;
        };
        self.processes[index].read = None;
        let now = after(self.now);
        match judge(&read, &process.token, now, &native()) {
            RefreshDecision::Rotate => {
                let rotation = read.rotate(&process.token, &laptop(), now, &native(), &self.rng).unwrap();
                if self.row.generation == rotation.expected_generation {
                    self.row = rotation.next;
                    let fresh = self.written.insert(self.row.generation, text(&rotation.successor));
                    if fresh.is_some() {
                        self.failures.push(format!("generation {} has two successors", self.row.generation));
                    }
                    self.processes[index].token = rotation.successor;
                } else {
                    // Lost the write: read again and decide again.
                    self.processes[index].read = Some(self.row.clone());
                }
            }
            RefreshDecision::Replay { successor } => {
                if self.written.get(&successor.generation()) != Some(&text(&successor)) {
                    self.failures.push("a replay handed out a token that was never written".into());
                }
                self.processes[index].token = successor;
            }
            // A process that slept: it reads the newest token from the store it shares with its siblings.
            RefreshDecision::Stale => {
                self.row = self.row.with_stale_hit();
                let newest = self.processes.iter().max_by_key(|process| process.token.generation()).unwrap();
                self.processes[index].token = newest.token.clone();
            }
            other => self.failures.push(format!("process {index}: {other}")),
        }
    }
}

#[test]
fn fifty_parallel_refreshes_of_one_token_converge() {
    let mut model = Model::new(50);
    for index in (0..50).chain(0..50).chain(0..50).chain(0..50) {
        if model.processes[index].token.generation() == 1 {
            model.step(index);
        }
    }
    assert_eq!(model.failures, Vec::<String>::new());
    let tokens: std::collections::BTreeSet<_> =
        model.processes.iter().map(|process| text(&process.token)).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(model.row.generation, 2);
    let next = &model.processes[0].token;
    assert!(matches!(judge(&model.row, next, after(1), &native()), RefreshDecision::Rotate));
}

proptest! {
    #[test]
    fn no_interleaving_ever_forks_the_family(
        steps in proptest::collection::vec((0_usize..5, 0_u64..40), 0..50),
    ) {
        let mut model = Model::new(5);
        for (index, pause) in steps {
            model.now += pause;
            model.step(index);
            // Never two live successors: whatever opens as current is the one token that was written.
            let live: Vec<_> = model
                .processes
                .iter()
                .filter(|process| matches!(judge(&model.row, &process.token, after(model.now), &native()), RefreshDecision::Rotate))
                .map(|process| text(&process.token))
                .collect();
            prop_assert!(live.iter().all(|token| Some(token) == model.written.get(&model.row.generation)));
        }
        prop_assert_eq!(&model.failures, &Vec::<String>::new());
    }

    #[test]
    fn parsing_never_panics(text in "rt_[A-Za-z0-9_.-]{0,80}|\\PC{0,40}") {
        let _ = RefreshToken::parse(&text);
    }
}
