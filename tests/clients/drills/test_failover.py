"""A standby is promoted under load: writes go on there, nothing comes back to life, and calls never notice."""

import json
import time

import pytest

from drills.cluster import Cluster, store, url
from drills.site import Site, refresh_form
from drills.traffic import Traffic
from harness.browser import Browser
from harness.process import run

RESUMES_WITHIN = 10
NOTICED_WITHIN = 2


class Replicated:
    """A primary with a standby that follows it, and a database in both."""

    def __init__(self, **settings: str):
        self.primary = Cluster(**settings)

    def __enter__(self) -> "Replicated":
        self.primary.__enter__()
        self.standby = Cluster(of=self.primary)
        self.standby.__enter__()
        self.database = self.primary.new_database()
        self.wait_until_equal()
        return self

    def __exit__(self, *_) -> None:
        self.standby.__exit__()
        self.primary.__exit__()

    @property
    def store(self) -> str:
        return store(url(self.primary.port, self.database), url(self.standby.port, self.database))

    def wait_until_equal(self) -> None:
        """Returns once the standby has everything."""
        end = time.monotonic() + 10
        position = self.primary.query("SELECT pg_current_wal_lsn()")
        behind = f"SELECT coalesce(pg_last_wal_replay_lsn() < '{position}', true)"
        while self.standby.query(behind) != "f":
            assert time.monotonic() < end, "the standby does not follow"
            time.sleep(0.02)

    def cut(self) -> None:
        """From now on the standby receives nothing any more."""
        self.standby.query("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.query("SELECT pg_reload_conf()")
        end = time.monotonic() + 10
        while self.standby.query("SELECT count(*) FROM pg_stat_wal_receiver") != "0":
            assert time.monotonic() < end, "the standby goes on receiving"
            time.sleep(0.02)


def nodes_on(site, pair: Replicated) -> list[Site]:
    first = site("first", store=pair.store)
    return [first, site("second", store=pair.store, of=first)]


def noticed(node: Site) -> bool:
    return any(json.loads(line).get("reason") == "store_went_back" for line in list(node.process.err) if line[:1] == "{")


def replay(nodes: list[Site], codes: list[dict]) -> int:
    """How many of these codes, all redeemed before, bring tokens again."""
    statuses = [node.token(form).status_code for form in codes for node in nodes]
    assert set(statuses) <= {200, 400, 503}, set(statuses)
    return statuses.count(200)


@pytest.mark.parametrize("synchronous", [True, False], ids=["synchronous", "asynchronous, caught up"])
def test_a_promotion_that_loses_nothing(site, figure, synchronous):
    settings = {"synchronous_standby_names": "*"} if synchronous else {}
    with Replicated(**settings) as pair:
        nodes = nodes_on(site, pair)
        with Traffic(nodes) as traffic:
            time.sleep(3)
            if not synchronous:
                # Nobody else stops writers: nothing is to be on the way when the primary ends.
                pair.primary.stop()
            else:
                pair.primary.crash()
            ended = time.monotonic()
            pair.standby.promote()
            promoted = time.monotonic()
            time.sleep(6)
        fared = traffic.fared
        assert not fared.failures, fared.failures[:3]
        resumed = min(at for at in fared.written if at > promoted) - ended
        assert resumed < RESUMES_WITHIN, resumed
        assert not any(at > ended + RESUMES_WITHIN for at in fared.put_off)
        assert fared.verified and max(gaps(fared.verified)) < 2, "calls stood still"
        assert not any(map(noticed, nodes)), "nothing was lost"
        twice = replay(nodes, fared.redeemed)
        assert twice == 0
        for node in nodes:
            node.verify_audit()
        result = {
            "drill": "PGD-6",
            "replication": "synchronous" if synchronous else "asynchronous, caught up",
            "writes_resumed_ms": round(resumed * 1000),
            "put_off": len(fared.put_off),
            "verified": len(fared.verified),
            "verify_errors": 0,
            "redeemed_before_and_after": len(fared.redeemed),
            "redeemed_twice": twice,
        }
        figure(json.dumps(result))


def test_a_promotion_that_loses_writes_is_noticed(binary, site, figure):
    with Replicated() as pair:
        nodes = nodes_on(site, pair)
        with Traffic(nodes) as traffic:
            time.sleep(1)
            # Codes that the standby still knows as good ones, and that are redeemed where it does not see it.
            with Browser(verify=False) as browser:
                waiting = [nodes[0].code(browser) for _ in range(10)]
            pair.wait_until_equal()
            pair.cut()
            used = dict(traffic.latest)
            tokens = [nodes[number % 2].token(form) for number, form in enumerate(waiting)]
            assert all(answer.status_code == 200 for answer in tokens)
            known = len(traffic.fared.redeemed)
            time.sleep(1)
            pair.primary.crash()
            pair.standby.promote()
            promoted = time.monotonic()
            while not any(map(noticed, nodes)):
                assert time.monotonic() < promoted + 10, "nobody notices"
                time.sleep(0.005)
            seen = time.monotonic() - promoted
            assert seen < NOTICED_WITHIN, seen
            time.sleep(2)
        fared = traffic.fared
        assert not fared.failures, fared.failures[:3]
        assert not any(at > promoted for at in fared.written), "something was issued after the store went back"
        lost = waiting + fared.redeemed[known:]
        consented = pair.standby.query("SELECT count(*) FROM grants WHERE stage = 'consented'", pair.database)
        assert int(consented) >= len(waiting), "the standby has received the redemptions"
        twice = replay(nodes, lost)
        assert twice == 0
        assert all(nodes[0].refresh(token).status_code == 503 for token in used.values())
        assert all(node.call({"do": "reply"}, token).status_code == 200 for node, token in calls(nodes, traffic))

        # A node that is started again remembers nothing, and is told by the store.
        nodes[1].process.stop()
        nodes[1].start()
        assert replay(nodes[1:], lost) == 0
        nodes[1].process.stop()
        command = [binary, "--config", nodes[1].folder / "gatehouse.yaml", "restore", "--epoch-only"]
        run(command, cwd=nodes[1].folder, env={"PATH": "/usr/bin:/bin"}, timeout=30).check()
        nodes[1].start()
        end = time.monotonic() + 5
        while nodes[0].refresh(used[0]).status_code == 503:
            assert time.monotonic() < end, "the other node does not go on"
            time.sleep(0.05)
        # Everything from before has ended; whoever signs in anew is served.
        assert replay(nodes, lost) == 0
        assert nodes[0].token(refresh_form(used[0])).status_code == 400
        for node in nodes:
            assert node.refresh(node.tokens()["refresh_token"]).status_code == 200
            node.verify_audit()
        result = {
            "drill": "PGD-6",
            "replication": "asynchronous, behind",
            "noticed_ms": round(seen * 1000),
            "lost_redemptions": len(lost),
            "redeemable_again_in_the_store": int(consented),
            "redeemed_twice": twice,
            "verify_errors": 0,
        }
        figure(json.dumps(result))


def test_a_primary_that_stays_up_and_only_reads_is_left(site, figure):
    with Replicated() as pair:
        nodes = nodes_on(site, pair)
        with Traffic(nodes) as traffic:
            time.sleep(2)
            # Demoted: connections stay, and everything can be read.
            pair.primary.query("ALTER SYSTEM SET default_transaction_read_only = on")
            pair.primary.query("SELECT pg_reload_conf()")
            demoted = time.monotonic()
            time.sleep(0.3)
            pair.wait_until_equal()
            pair.standby.promote()
            promoted = time.monotonic()
            time.sleep(12)
        fared = traffic.fared
        assert not fared.failures, fared.failures[:3]
        late = [at for at in fared.put_off if at > demoted + RESUMES_WITHIN]
        assert not late, f"{len(late)} writes were refused after {RESUMES_WITHIN} s"
        resumed = min(at for at in fared.written if at > promoted) - demoted
        assert not any(map(noticed, nodes)), "nothing was lost"
        assert max(gaps(fared.verified)) < 2, "calls stood still"
        still = pair.primary.query(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{pair.database}'")
        assert still == "0", f"{still} connections to the old primary are kept"
        assert replay(nodes, fared.redeemed) == 0
        result = {
            "drill": "PGD-7",
            "writes_resumed_ms": round(resumed * 1000),
            "put_off": len(fared.put_off),
            "write_errors_after_10_s": len(late),
            "verify_errors": 0,
        }
        figure(json.dumps(result))


def gaps(times: list[float]) -> list[float]:
    times = sorted(times)
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


def calls(nodes: list[Site], traffic: Traffic) -> list[tuple[Site, str]]:
    return [(node, traffic.access_token) for node in nodes]
