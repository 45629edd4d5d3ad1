"""A REST API behind the gateway, described by OpenAPI."""

import json
from urllib.parse import parse_qs, unquote

from .bearer import BearerCheck
from .upstream import Upstream, answer, lifespan, read

PEOPLE = {
    "e-1": {"id": "e-1", "name": "Ada Lovelace", "department": "engineering"},
    "e-2": {"id": "e-2", "name": "Blaise Pascal", "department": "sales"},
    "a/b c": {"id": "a/b c", "name": "Odd Identifier", "department": "sales"},
}


class Directory(Upstream):
    """Employees."""

    def __init__(self):
        self._check = BearerCheck(self._serve)
        super().__init__(self._check)
        self._check.audience = self.url = f"{self.origin}/"
        self._created = 0

    def trust(self, issuer: str, verify=True) -> None:
        self._check.trust(issuer, verify)

    def refuse_everybody(self) -> None:
        """From now on no token is good enough, as when it expects another audience."""
        self._check.audience = "https://elsewhere.example"

    async def _serve(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        path = unquote(scope["raw_path"].decode("ascii").split("?")[0].removeprefix("/employees/"))
        route = (scope["method"], "item" if scope["path"].startswith("/employees/") else scope["path"])
        if route == ("GET", "/employees"):
            wanted = parse_qs(scope["query_string"].decode("ascii")).get("department")
            found = [one for one in PEOPLE.values() if not wanted or one["department"] in wanted]
            return await answer(send, 200, {"employees": found})
        if route == ("GET", "item"):
            person = PEOPLE.get(path)
            return await answer(send, 200 if person else 404, person or {"error": f"no employee {path!r}"})
        if route == ("POST", "/employees"):
            self._created += 1
            person = json.loads(await read(receive))
            return await answer(send, 201, {"id": f"new-{self._created}", **person})
        return await answer(send, 404, {"error": f"no route {route}"})


def openapi(origin: str) -> dict:
    """The description of the API at `origin`."""
    text = {"type": "string"}
    person = {
        "type": "object",
        "required": ["name", "department"],
        "properties": {"name": text, "department": text},
    }

    def operation(name: str, summary: str, status: str, **more) -> dict:
        return {"operationId": name, "summary": summary, "responses": {status: {"description": "Done"}}, **more}

    department = {"name": "department", "in": "query", "schema": text}
    identifier = {"name": "id", "in": "path", "required": True, "schema": text}
    body = {"required": True, "content": {"application/json": {"schema": person}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Employees", "version": "1"},
        "servers": [{"url": origin}],
        "paths": {
            "/employees": {
                "get": operation("listEmployees", "Everybody, or one department.", "200", parameters=[department]),
                "post": operation("createEmployee", "Adds somebody.", "201", requestBody=body),
            },
            "/employees/{id}": {
                "get": operation("getEmployee", "One employee.", "200", parameters=[identifier]),
            },
        },
    }
