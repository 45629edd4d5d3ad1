"""A user at a browser: keeps cookies, follows redirects, fills in the sign-in and consent pages."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

REDIRECTS = {301, 302, 303, 307, 308}


@dataclass
class Form:
    """A form of a page."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(values.get("action", ""), values.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and (name := values.get("name")):
            kind = values.get("type", "submit" if tag == "button" else "text")
            if tag == "button" or (tag == "input" and kind == "submit"):
                self._open.buttons.append((name, values.get("value", "")))
            elif tag == "input" and (kind not in ("checkbox", "radio") or "checked" in values):
                self._open.fields[name] = values.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None


def forms(html: str) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms


def parameters(url: str) -> dict[str, str]:
    """The query of a URL, each parameter once."""
    query = parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=False)
    repeated = [name for name, values in query.items() if len(values) > 1]
    assert not repeated, f"repeated parameters {repeated} in {url}"
    return {name: values[0] for name, values in query.items()}


class Browser:
    """One user agent. It never follows a redirect to `stop_at` by itself: that is the client's callback."""

    def __init__(self, verify=True):
        self.client = httpx.Client(follow_redirects=False, timeout=30, verify=verify, trust_env=False)
        self.visited: list[tuple[str, str, int]] = []

    def authorize(
        self, url: str, username: str, password: str, decision: str = "approve", *, stop_at: str | None = None
    ) -> str:
        """Goes from the authorization URL through sign-in and consent, and returns the URL with which the
        authorization server sends the user back to the client, or an earlier one at `stop_at`. That URL is not
        fetched."""
        callback = stop_at or parameters(url)["redirect_uri"]
        return self._travel("GET", url, None, callback, username, password, decision)

    def sign_in(self, url: str, username: str, password: str, decision: str = "approve") -> httpx.Response:
        """Like `authorize`, then delivers the callback to the client that listens for it."""
        return self.client.get(self.authorize(url, username, password, decision))

    def follow(self, url: str) -> httpx.Response:
        """The first answer on the way from `url` that is no redirect."""
        for _ in range(10):
            response = self.fetch("GET", url)
            if response.status_code not in REDIRECTS:
                return response
            url = urljoin(url, response.headers["location"])
        raise AssertionError(f"redirected without end: {self.visited}")

    def fetch(self, method: str, url: str, data: dict[str, str] | None = None) -> httpx.Response:
        """One request; redirects are not followed."""
        response = self.client.request(method, url, data=data)
        self.visited.append((method, url, response.status_code))
        return response

    def _travel(self, method, url, data, callback, username, password, decision) -> str:
        for _ in range(30):
            response = self.fetch(method, url, data)
            if response.status_code in REDIRECTS:
                location = urljoin(url, response.headers["location"])
                if _is_at(location, callback):
                    return location
                keeps = response.status_code in (307, 308)
                method, url, data = (method, location, data) if keeps else ("GET", location, None)
                continue
            assert response.status_code == 200, self._lost(url, response)
            method, url, data = self._fill(url, response, username, password, decision)
        raise AssertionError(f"no way back to {callback} after 30 requests: {self.visited}")

    def _fill(self, url, response, username, password, decision):
        for form in forms(response.text):
            fields = dict(form.fields)
            if "password" in fields:
                attempts = sum(1 for visit in self.visited if visit[0] == "POST" and visit[1] == urljoin(url, form.action))
                assert attempts < 2, self._lost(url, response)
                fields |= {"username": username, "password": password}
            elif any(name == "decision" for name, _ in form.buttons) or "decision" in fields:
                fields["decision"] = decision
            else:
                continue
            return form.method.upper(), urljoin(url, form.action or url), fields
        raise AssertionError(self._lost(url, response))

    def _lost(self, url: str, response: httpx.Response) -> str:
        return f"{response.status_code} at {url} is no sign-in or consent page:\n{response.text[:2000]}\n{self.visited}"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.client.close()


def _is_at(url: str, callback: str) -> bool:
    one, other = urlsplit(url), urlsplit(callback)
    return (one.scheme, one.netloc, one.path) == (other.scheme, other.netloc, other.path)
