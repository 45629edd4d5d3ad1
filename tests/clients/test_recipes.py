"""Commands of the documentation, run as they are written, with the worst values that they may be given."""

import hashlib
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
