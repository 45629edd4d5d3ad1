"""A newer version migrates the database under running nodes, which are started again on it: nobody notices."""

import json
import time

from drills.cluster import store, url
from drills.traffic import Traffic

# What the version after this one would do: it only adds, and programs that know our last migration can go on.
NEXT = """
    BEGIN;
    SET LOCAL lock_timeout = '2s';
    CREATE TABLE devices (id TEXT NOT NULL PRIMARY KEY, expires_at BIGINT NOT NULL);
    ALTER TABLE grants ADD COLUMN device TEXT;
    ALTER TABLE refresh_families ADD COLUMN uses BIGINT NOT NULL DEFAULT 0;
    INSERT INTO schema_migrations (number, name, checksum, min_reader)
        SELECT max(number) + 1, 'devices', 'of the next version', max(number) FROM schema_migrations;
    COMMIT;
"""
# What that version writes into rows that this one then moves on.
WRITES = """
    UPDATE grants SET device = 'phone', body = jsonb_set(body::jsonb, '{device}', '"phone"')::text;
    UPDATE refresh_families SET uses = 7;
"""


def test_the_next_version_migrates_and_this_one_goes_on(site, cluster, figure):
    database = cluster.new_database()
    at = store(url(cluster.port, database))
    first = site("first", store=at)
    nodes = [first, site("second", store=at, of=first)]
    with Traffic(nodes) as traffic:
        time.sleep(1)
        cluster.query(NEXT, database)
        cluster.query(WRITES, database)
        time.sleep(1)
        # A rolling restart on the database of the next version: also what taking the next version back looks like.
        restarts = []
        for node in nodes:
            traffic.take_out(node)
            assert node.process.stop(timeout=35) == 0
            restarts.append(node.start())
            traffic.put_back(node)
            time.sleep(1)
    fared = traffic.fared
    assert not fared.failures, fared.failures[:3]
    assert not fared.put_off, f"{len(fared.put_off)} requests were put off"
    kept = cluster.query("SELECT count(*) FROM refresh_families WHERE uses = 7 AND generation > 0", database)
    assert int(kept) >= 3, "what the next version wrote is gone"
    for node in nodes:
        lines = [json.loads(line) for line in list(node.process.err) if line[:1] == "{"]
        assert any(line.get("migration.name") == "devices" for line in lines), "it does not say what it found"
        node.verify_audit()

    # A migration that asks for a newer reader is refused by name, and running nodes are not disturbed.
    cluster.query("UPDATE schema_migrations SET min_reader = number WHERE name = 'devices'", database)
    assert nodes[0].tokens()
    assert nodes[1].process.stop(timeout=35) == 0
    nodes[1].process = None
    try:
        nodes[1].start()
        raise RuntimeError("it starts on a database that it cannot read")
    except AssertionError as refused:
        assert "`devices`, this program knows none after" in str(refused)
    result = {
        "drill": "PGD-8",
        "restart_ms": [round(seconds * 1000) for seconds in restarts],
        "writes": len(fared.written),
        "calls": len(fared.verified),
        "failed": 0,
    }
    figure(json.dumps(result))
