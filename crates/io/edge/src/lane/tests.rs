use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Crowded, Job, Lane, LaneSize};

const MOMENT: Duration = Duration::from_secs(10);

/// Says its name when it runs, and then waits to be let go.
struct Scripted {
    name: &'static str,
    wanted: bool,
    said: Sender<&'static str>,
    gate: Arc<Mutex<Receiver<()>>>,
}

impl Job for Scripted {
    fn is_wanted(&self) -> bool {
        self.wanted
    }

    fn run(self) {
        self.said.send(self.name).unwrap();
        assert_ne!(self.name, "panics");
        let _let_go = self.gate.lock().unwrap().recv_timeout(MOMENT);
    }
}

struct Stage {
    lane: Lane<&'static str, Scripted>,
    said: (Sender<&'static str>, Receiver<&'static str>),
    open: Sender<()>,
    gate: Arc<Mutex<Receiver<()>>>,
}

impl Stage {
    fn with(size: LaneSize) -> Self {
        let (open, gate) = channel();
        let lane = Lane::start("test-lane", size).unwrap();
        Self { lane, said: channel(), open, gate: Arc::new(Mutex::new(gate)) }
    }

    fn job(&self, name: &'static str) -> Scripted {
        Scripted { name, wanted: true, said: self.said.0.clone(), gate: Arc::clone(&self.gate) }
    }

    fn push(&self, kind: &'static str, from: &str, name: &'static str) -> Result<(), Crowded> {
        self.lane.push(kind, from.parse::<IpAddr>().unwrap(), self.job(name))
    }

    fn begun(&self) -> &'static str {
        self.said.1.recv_timeout(MOMENT).unwrap()
    }
}

const ONE: LaneSize = LaneSize { threads: 1, at_once: 1, waiting: 2, nice: 19 };

#[test]
fn a_flood_is_refused_and_others_pass_it() {
    let stage = Stage::with(ONE);
    for name in ["first", "flood-1", "flood-2"] {
        stage.push("hash", "192.0.2.1", name).unwrap();
        if name == "first" {
            assert_eq!(stage.begun(), "first");
        }
    }
    for _ in 0..100 {
        assert_eq!(stage.push("hash", "192.0.2.1", "flood-n"), Err(Crowded));
    }
    stage.push("hash", "2001:db8::1", "person").unwrap();
    // One network is all of its /64.
    assert_eq!(stage.push("hash", "2001:db8::2", "the same network"), Ok(()), "it asked less than the flood");
    for _ in 0..3 {
        stage.open.send(()).unwrap();
    }
    assert_eq!(stage.begun(), "person");
    assert_eq!(stage.begun(), "the same network");
    assert!(stage.said.1.recv_timeout(Duration::from_millis(50)).is_err(), "both of the flood gave way");
}

#[test]
fn kinds_take_turns_and_none_takes_all_threads() {
    let stage = Stage::with(LaneSize { threads: 2, at_once: 1, waiting: 10, nice: 0 });
    for name in ["slow-1", "slow-2", "slow-3"] {
        stage.push("slow", "192.0.2.1", name).unwrap();
    }
    assert_eq!(stage.begun(), "slow-1");
    stage.push("other", "192.0.2.1", "other-1").unwrap();
    assert_eq!(stage.begun(), "other-1");
    assert!(stage.said.1.recv_timeout(Duration::from_millis(50)).is_err(), "one of a kind at a time");
    stage.open.send(()).unwrap();
    stage.open.send(()).unwrap();
    assert_eq!(stage.begun(), "slow-2");
}

#[test]
fn what_nobody_waits_for_is_not_done_and_a_panic_takes_no_thread() {
    let stage = Stage::with(LaneSize { waiting: 10, ..ONE });
    stage.push("hash", "192.0.2.1", "panics").unwrap();
    assert_eq!(stage.begun(), "panics");
    let gone = Scripted { wanted: false, ..stage.job("gone") };
    stage.lane.push("hash", "192.0.2.1".parse().unwrap(), gone).unwrap();
    stage.push("hash", "192.0.2.1", "after").unwrap();
    assert_eq!(stage.begun(), "after");
}

#[test]
fn the_threads_end_with_the_lane() {
    let stage = Stage::with(ONE);
    stage.push("hash", "192.0.2.1", "first").unwrap();
    assert_eq!(stage.begun(), "first");
    let shared = Arc::downgrade(&stage.lane.shared);
    drop(stage.lane);
    stage.open.send(()).unwrap();
    for _ in 0..1000 {
        if shared.upgrade().is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("a thread still runs");
}
