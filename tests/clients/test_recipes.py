"""Commands of the documentation, run as they are written, with the worst values that they may be given."""

import base64
import hashlib
import json
import re
import subprocess

import httpx
import pytest

from harness.gateway import REPOSITORY
from harness.house import claims_of

PUBLIC = "https://gw.example.com"
# What shells, forms, URLs, YAML and HTTP Basic each read as something else.
HOSTILE = {
    "plain": "wHf2rT0pZ8sV4qL1",
    "base64": "q+Z/8w7Kp+v1Tn0/xY3c8Q==",
    "percent": "50%25+50%+%2B%zz%",
    "quotes": """it's "quoted" `so` $HOME ${HOME} $(id)""",
    "form": "a=b&client_id=other&c d;e#f?g",
    "yaml": "{{ env.HOME }}: - [x] #y <a.b> !z | > & * @",
    "backslash": r"back\slash \n \\ end",
    "colon": ":colon:every:where:",
    "spaces": "  within and around spaces  ",
    "letters": "päßwörter – 秘密",
}

CONFIGURATION = """
http: { address: 127.0.0.1:@PORT@, publicURL: @URL@ }
admin: { address: 127.0.0.1:@ADMIN_PORT@ }
store: { type: sqlite, sqlite: { path: gatehouse.db } }
audit: { node: auth, sinks: [{ type: file, path: audit.jsonl }] }
SECRETS
connectors:
  - name: staff
    type: local
    users:
      - { username: ada, passwordHash: "PASSWORD_HASH" }
oidcProvider:
  discovery: { issuer: @URL@ }
apps:
  - name: nightly-report
    type: oidc
    clientID: nightly-report
    credentials: { secrets: [SECRET] }
    grantTypes: [client_credentials]
    allowedAudiences: ["@URL@"]
    accessToken: { type: jwt }
  - name: native
    type: oidc
    clientID: native
    public: true
    redirectURLs: [http://127.0.0.1/callback]
    allowedAudiences: ["@URL@"]
    authentication: { idps: [staff] }
"""


def commands(page: str, word: str) -> str:
    """The commands of the one block of a page that hold `word`."""
    text = (REPOSITORY / "docs" / page).read_text()
    blocks = [block for block in re.findall(r"^```(?:text|sh)\n(.*?)^```$", text, re.M | re.S) if word in block]
    assert len(blocks) == 1, f"{len(blocks)} blocks of {page} have {word}"
    return blocks[0]


def shell(script: str, binary, folder, **env: str) -> str:
    """What a script prints."""
    (folder / "bin").mkdir(exist_ok=True)
    link = folder / "bin" / "gatehouse"
    if not link.exists():
        link.symlink_to(binary.resolve())
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder), **env}
    done = subprocess.run(["sh", "-euc", script], cwd=folder, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def password_hash(binary, folder, password: str) -> str:
    recipe = commands("guides/identity-providers.md", "hash-password")
    return shell(recipe, binary, folder, PASSWORD=password).strip()


def configuration(password: str, secret: str, secrets: str = "") -> str:
    text = CONFIGURATION.replace("PASSWORD_HASH", password).replace("SECRETS", secrets)
    return text.replace("[SECRET]", f"[{secret}]")


@pytest.fixture(scope="module")
def known_hash(binary, tmp_path_factory) -> str:
    return password_hash(binary, tmp_path_factory.mktemp("hash"), "a long password")


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("source", ["environment", "file", "document"])
def test_client_credentials(gateway, binary, tmp_path, known_hash, kind, source):
    """Wherever the secret stands, the recipe gets a token with it."""
    secret, quoted = HOSTILE[kind], HOSTILE[kind].replace("'", "''")
    env = {}
    if source == "environment":
        text, env = configuration(known_hash, '"{{ env.NIGHTLY_SECRET }}"'), {"NIGHTLY_SECRET": secret}
    elif source == "file":
        file = tmp_path / "secrets.yaml"
        file.write_text(f"secrets:\n  nightly:\n    secret: '{quoted}'\n")
        file.chmod(0o600)
        text = configuration(known_hash, "<nightly.secret>", f"secretProvider: secretfile://{file}")
    elif kind == "yaml":
        pytest.skip("in the document itself, braces and angle brackets are references")
    else:
        text = configuration(known_hash, f"'{quoted}'")
    running = gateway(text, env=env)
    recipe = commands("recipes/anthropic-sdks.md", "/oauth2/token").replace(PUBLIC, running.url)
    token = shell(f'{recipe}\nprintf %s "$TOKEN"', binary, tmp_path, NIGHTLY_SECRET=secret)
    assert claims_of(token)["client_id"] == "nightly-report" and claims_of(token)["aud"] == running.url


def test_basic_needs_encoding(gateway, known_hash):
    """What the page says of `curl -u`: the client of a library that encodes gets in, bytes as they are do not."""
    secret = HOSTILE["percent"]
    running = gateway(configuration(known_hash, '"{{ env.S }}"'), env={"S": secret})
    form = {"grant_type": "client_credentials", "audience": running.url}

    def status(name: str, password: str) -> int:
        url = f"{running.url}/oauth2/token"
        return httpx.post(url, data=form, auth=(name, password), trust_env=False).status_code

    encoded = "".join(f"%{byte:02X}" for byte in secret.encode())
    assert (status("nightly-report", encoded), status("nightly-report", secret)) == (200, 401)


@pytest.mark.parametrize("kind", HOSTILE)
def test_passwords(gateway, binary, tmp_path, browser, kind):
    """A password goes through the recipe and the sign-in page as it is."""
    password = HOSTILE[kind]
    running = gateway(configuration(password_hash(binary, tmp_path, password), "unused-but-long-enough-1"))
    request = {
        "response_type": "code",
        "client_id": "native",
        "redirect_uri": "http://127.0.0.1:50123/callback",
        "scope": "openid",
        "state": "s",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "resource": running.url,
    }
    back = browser.authorize(str(httpx.URL(f"{running.url}/oauth2/auth", params=request)), "ada", password)
    assert "code=" in back, back


@pytest.mark.parametrize("kind", HOSTILE)
def test_keys(binary, tmp_path, kind):
    """A key is hashed as it is, byte for byte."""
    recipe = commands("guides/keys-and-secrets.md", "hash-key").replace("gatehouse new-key\n", "")
    said = shell(recipe, binary, tmp_path, KEY=HOSTILE[kind])
    assert hashlib.sha256(HOSTILE[kind].encode()).hexdigest() in said


@pytest.mark.parametrize("kind", HOSTILE)
def test_environment_files(binary, tmp_path, known_hash, kind):
    """The file of the service's environment is read by a shell as it is written: in single quotes."""
    if "'" in HOSTILE[kind]:
        pytest.skip("the guide says so: systemd and shells write a single quote in different ways")
    recipe = commands("guides/deploy.md", "set -a")
    [script] = re.findall(r"sh -c '(.*)'", recipe, re.S)
    environment = tmp_path / "environment"
    environment.write_text(f"NIGHTLY_SECRET='{HOSTILE[kind]}'\n")
    script = script.replace("/etc/gatehouse/environment", str(environment))
    script = re.sub(r"exec gatehouse .*", 'printf %s "$NIGHTLY_SECRET"', script)
    assert shell(script, binary, tmp_path) == HOSTILE[kind]


def test_signing_keys(gateway, binary, tmp_path, known_hash):
    """Keys from the recipe sign: the first of them, and both are published."""
    shell(commands("guides/keys-and-secrets.md", "openssl genpkey"), binary, tmp_path)
    env = {
        "SIGNING_KEY": (tmp_path / "es256.pem").read_text(),
        "SIGNING_KEY_RSA": (tmp_path / "rs256.pem").read_text(),
        "S": HOSTILE["plain"],
    }
    page = (REPOSITORY / "docs" / "guides/keys-and-secrets.md").read_text()
    [jwks] = re.findall(r"^  jwks:\n(?:    - .*\n)+", page, re.M)
    text = configuration(known_hash, '"{{ env.S }}"').replace("oidcProvider:\n", f"oidcProvider:\n{jwks}")
    running = gateway(text, env=env)
    published = httpx.get(f"{running.url}/oauth2/jwks", trust_env=False).json()["keys"]
    assert [key["alg"] for key in published] == ["ES256", "RS256"]
    recipe = commands("recipes/anthropic-sdks.md", "/oauth2/token").replace(PUBLIC, running.url)
    token = shell(f'{recipe}\nprintf %s "$TOKEN"', binary, tmp_path, NIGHTLY_SECRET=HOSTILE["plain"])
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert (header["alg"], header["kid"]) == ("ES256", published[0]["kid"])


def test_backup_and_restore(gateway, binary, tmp_path, known_hash):
    """A store that is damaged is put out of the way and comes back from its copy, keys and all."""
    running = gateway(configuration(known_hash, HOSTILE["plain"]))
    backup = tmp_path / "backup"
    backup.mkdir()

    def run(word: str) -> str:
        script = commands("guides/backups.md", word).replace("sudo -u gatehouse ", "").replace("/backup/", f"{backup}/")
        # What the service manager does is done by the test.
        lines = [line for line in script.splitlines() if not line.startswith("systemctl ")]
        return "\n".join(lines).replace("/var/lib/gatehouse", str(running.folder))

    def keys() -> list[str]:
        return [key["kid"] for key in httpx.get(f"{running.url}/oauth2/jwks", trust_env=False).json()["keys"]]

    known = keys()
    shell(run("backup --out"), binary, running.folder)
    assert (backup / "gatehouse-monday.db").stat().st_mode & 0o777 == 0o600
    assert running.stop() == 0
    (running.folder / "gatehouse.db").write_bytes(b"this is no database at all" * 400)
    with pytest.raises(AssertionError, match="what is there is no store"):
        shell(run("restore --from"), binary, running.folder)
    shell(run("mkdir -m 700 damaged"), binary, running.folder)
    shell(run("restore --from"), binary, running.folder)
    running.start_again()
    assert keys() == known


def test_a_call_by_hand(house, binary, tmp_path):
    """What clients do themselves, with curl: a tool of a REST API answers."""
    recipe = commands("recipes/bridge-a-rest-api.md", "tools/call").replace(PUBLIC, house.url)
    recipe = recipe.replace("employees_", "directory_").replace("curl ", "curl -s ")
    answer = json.loads(shell(recipe, binary, tmp_path, TOKEN=house.token()))
    assert answer["id"] == 1 and answer["result"]["resultType"] == "complete", answer
    assert not answer["result"].get("isError"), answer


# Who runs each block of commands of the documentation, by page and first line: a test of this folder or of the program,
# or why it cannot be run here.
RUN_BY = {
    ("README.md", "cargo run --release -- demo"): "test_demo.py",
    ("README.md", "gatehouse demo --check"): "test_demo.py",
    ("README.md", "claude mcp add"): "test_claude_code.py",
    ("README.md", "gatehouse init"): "what_init_writes_passes_check",
    ("docs/LOGGING.md", "sed -n 7p"): "docs::queries",
    ("docs/LOGGING.md", "jq -s"): "docs::queries",
    ("docs/LOGGING.md", "gatehouse-audit-checkpoint/1"): "no command: the text that is signed",
    ("docs/guides/audit.md", "gatehouse audit tail"): "commands::audit",
    ("docs/guides/audit.md", "gatehouse audit verify /var"): "commands::audit",
    ("docs/guides/audit.md", "# What did Ada do"): "docs::queries",
    ("docs/guides/audit.md", "gatehouse audit new-key"): "commands::audit",
    ("docs/guides/audit.md", "gatehouse audit verify"): "commands::audit",
    ("docs/guides/audit.md", "$ gatehouse audit verify"): "commands::audit",
    ("docs/guides/audit.md", "gatehouse audit verify --expect"): "commands::audit",
    ("docs/guides/backups.md", "sudo -u gatehouse gatehouse --config /var"): "test_backup_and_restore",
    ("docs/guides/backups.md", "systemctl stop"): "test_backup_and_restore",
    ("docs/guides/backups.md", "cd /var/lib/gatehouse"): "test_backup_and_restore",
    ("docs/guides/backups.md", "sudo -u gatehouse gatehouse --config /etc"): "drills/test_failover.py",
    ("docs/guides/backups.md", "gatehouse --config /etc"): "drills/test_failover.py",
    ("docs/guides/deploy.md", "systemd-run"): "no test: nothing here has a service manager",
    ("docs/guides/deploy.md", "sudo -u gatehouse sh -c"): "test_environment_files",
    ("docs/guides/identity-providers.md", "gatehouse revoke"): "revoke",
    ("docs/guides/identity-providers.md", "printf %s"): "test_passwords",
    ("docs/guides/keys-and-secrets.md", "openssl genpkey"): "test_signing_keys",
    ("docs/guides/keys-and-secrets.md", "gatehouse new-key"): "test_keys",
    ("docs/guides/policies.md", "gatehouse policy eval"): "commands::policy",
    ("docs/guides/policies.md", "gatehouse policy test"): "commands::policy",
    ("docs/guides/several-processes.md", "gatehouse migrate"): "commands::migrate",
    ("docs/guides/several-processes.md", "gatehouse restore"): "drills/test_failover.py",
    ("docs/recipes/anthropic-sdks.md", "TOKEN="): "test_client_credentials",
    ("docs/recipes/bridge-a-rest-api.md", "gatehouse check"): "what_init_writes_passes_check",
    ("docs/recipes/bridge-a-rest-api.md", "curl "): "test_a_call_by_hand",
    ("docs/recipes/claude-code.md", "claude mcp add --transport http --client-id"): "test_claude_code.py",
    ("docs/recipes/claude-code.md", "claude mcp add --transport http gatehouse"): "test_claude_code.py",
    ("docs/recipes/claude-code.md", "MCP_CLIENT_SECRET="): "test_claude_code.py",
    ("docs/recipes/claude-code.md", "export ANTHROPIC"): "test_models.py",
    ("docs/recipes/static-keys.md", "gatehouse new-key"): "test_keys",
    ("docs/recipes/static-keys.md", "ANTHROPIC_BASE_URL="): "test_models.py",
}


def first_lines(text: str) -> list[str]:
    """Of each block that is not in a language of its own (YAML, JSON, Rego and so on), the first line."""
    found, inside, begins = [], False, False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("```"):
            begins = not inside and line[3:].split(" ")[0] in ("", "text", "sh", "bash", "console")
            inside = not inside
        elif begins:
            found.append(line)
            begins = False
    return found


def test_every_block_of_commands_is_run_by_somebody():
    """A block that is new on a page is run by a test, or the list says why not."""
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    found = set()
    for page in pages:
        name = str(page.relative_to(REPOSITORY))
        if name.startswith("docs/adr/") or name in ("docs/PERFORMANCE.md", "docs/ARCHITECTURE.md"):
            continue
        for first in first_lines(page.read_text()):
            keys = [key for key in RUN_BY if key[0] == name and first.startswith(key[1])]
            assert keys, f"{name}: nobody runs the block that begins with {first!r}"
            found.add(max(keys, key=lambda key: len(key[1])))
    assert found == set(RUN_BY), "these are on no page any more"
    here = (REPOSITORY / "tests" / "clients").glob("**/*.py")
    program = (REPOSITORY / "crates" / "gatehouse" / "tests").glob("**/*.rs")
    files = {path for path in [*here, *program] if "node_modules" not in path.parts and ".venv" not in path.parts}
    texts = "\n".join(path.read_text() for path in files)
    for by in RUN_BY.values():
        if ":" in by and "::" not in by:
            continue
        file = by.replace("::", "/")
        known = any(str(path).endswith((file, f"{file}.rs", f"{file}.py")) for path in files)
        assert known or re.search(rf"(?:def|fn|mod) {by}\b", texts), f"no test is called {by}"
