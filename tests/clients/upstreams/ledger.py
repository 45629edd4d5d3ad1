"""An MCP server behind the gateway, built with the real Python SDK: both eras of the protocol on one URL."""

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from .bearer import BearerCheck
from .upstream import Upstream

PII_SCOPE = "ledger:ReadPII"
AUDIT_SCOPE = "ledger:ReadAudit"


class Ledger(Upstream):
    """Accounts, customers and an audit log; `whoami` tells what the token says. Tools fail without their scope."""

    def __init__(self):
        self._check = BearerCheck(_server().streamable_http_app())
        super().__init__(self._check)
        self.url = f"{self.origin}/mcp"
        self._check.audience = self.url

    def trust(self, issuer: str, verify=True) -> None:
        self._check.trust(issuer, verify)

    def calls(self, tool: str) -> list:
        """The requests that called `tool`, by its own name."""
        return [seen for seen in self.seen if f'"{tool}"'.encode() in seen.body and b"tools/call" in seen.body]


def _server() -> MCPServer:
    server = MCPServer("ledger", version="1.0.0", instructions="A ledger.", log_level="ERROR")

    @server.tool(name="listAccounts", description="Accounts and their balances.")
    def list_accounts() -> dict:
        return {"accounts": [{"id": "a-1", "balance": "1048.20"}, {"id": "a-2", "balance": "77.00"}]}

    @server.tool(name="getCustomerPII", description="Name and address of a customer.")
    def get_customer_pii(customer: str, context: Context) -> dict:
        _needs(context, PII_SCOPE)
        return {"customer": customer, "name": "Grace Hopper", "city": "Arlington"}

    @server.tool(name="getAuditLog", description="Who has read what.")
    def get_audit_log(context: Context) -> dict:
        _needs(context, AUDIT_SCOPE)
        return {"entries": [{"who": "grace", "what": "a-1"}]}

    @server.tool(name="whoami", description="The claims of the token that this server received.")
    def whoami(context: Context) -> dict:
        return _claims(context)

    return server


def _claims(context: Context) -> dict:
    return context.request_context.request.scope["seen"].claims


def _needs(context: Context, scope: str) -> None:
    granted = _claims(context).get("scope", "").split()
    if scope not in granted:
        raise ToolError(f"the token has {granted}, not {scope}")
