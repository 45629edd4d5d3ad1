//! The ledger's tools: what they are called, which scope they need, what they do.

use serde_json::{Map, Value, json};

use super::super::bearer::Caller;
use super::books::{Books, STATUSES};

/// A tool by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    ListAccounts,
    GetAccount,
    GetTransactions,
    UpdateAccountStatus,
    GetCustomerPii,
    GetAuditLog,
    WhoAmI,
}

impl Tool {
    pub(super) const ALL: [Self; 7] = [
        Self::ListAccounts,
        Self::GetAccount,
        Self::GetTransactions,
        Self::UpdateAccountStatus,
        Self::GetCustomerPii,
        Self::GetAuditLog,
        Self::WhoAmI,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ListAccounts => "listAccounts",
            Self::GetAccount => "getAccount",
            Self::GetTransactions => "getTransactions",
            Self::UpdateAccountStatus => "updateAccountStatus",
            Self::GetCustomerPii => "getCustomerPII",
            Self::GetAuditLog => "getAuditLog",
            Self::WhoAmI => "whoami",
        }
    }

    /// The scope that the token must have.
    pub(super) const fn scope(self) -> Option<&'static str> {
        match self {
            Self::GetCustomerPii => Some("ledger:ReadPII"),
            Self::GetAuditLog => Some("ledger:ReadAudit"),
            _ => None,
        }
    }

    /// The tool as `tools/list` shows it.
    pub(super) fn definition(self) -> Value {
        let account = json!({ "type": "string", "description": "An account id such as ACC-1001." });
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 20 });
        let (description, properties, required) = match self {
            Self::ListAccounts => (
                "Lists accounts with their balances.",
                json!({ "status": { "type": "string", "enum": STATUSES } }),
                vec![],
            ),
            Self::GetAccount => ("Shows one account.", json!({ "accountId": account }), vec!["accountId"]),
            Self::GetTransactions => (
                "Lists the latest transactions of an account, newest first.",
                json!({ "accountId": account, "limit": limit }),
                vec!["accountId"],
            ),
            Self::UpdateAccountStatus => (
                "Activates, freezes or closes an account.",
                json!({ "accountId": account, "status": { "type": "string", "enum": STATUSES } }),
                vec!["accountId", "status"],
            ),
            Self::GetCustomerPii => (
                "Shows a customer's personal data. Needs the scope ledger:ReadPII.",
                json!({ "customerId": { "type": "string", "description": "A customer id such as C-1." } }),
                vec!["customerId"],
            ),
            Self::GetAuditLog => (
                "Lists changes to accounts, newest first. Needs the scope ledger:ReadAudit.",
                json!({ "limit": limit }),
                vec![],
            ),
            Self::WhoAmI => ("Shows whose access token the ledger received.", json!({}), vec![]),
        };
        let writes = self == Self::UpdateAccountStatus;
        json!({
            "name": self.name(),
            "description": description,
            "inputSchema": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": !writes, "destructiveHint": writes, "openWorldHint": false },
        })
    }

    /// Does it. The error is for the model to read.
    pub(super) fn call(
        self,
        books: &mut Books,
        arguments: &Map<String, Value>,
        caller: &Caller,
        now: &str,
    ) -> Result<Value, String> {
        self.check_names(arguments)?;
        match self {
            Self::ListAccounts => Ok(books.accounts(status(arguments)?)),
            Self::GetAccount => books.account(required(arguments, "accountId")?),
            Self::GetTransactions => books.transactions(required(arguments, "accountId")?, limit(arguments)?),
            Self::UpdateAccountStatus => {
                let account = required(arguments, "accountId")?;
                let status = status(arguments)?.ok_or("`status` is required")?;
                books.set_status(account, status, &identity(caller), now)
            }
            Self::GetCustomerPii => Books::customer(required(arguments, "customerId")?),
            Self::GetAuditLog => Ok(books.audit(limit(arguments)?)),
            Self::WhoAmI => Ok(identity(caller)),
        }
    }

    fn check_names(self, arguments: &Map<String, Value>) -> Result<(), String> {
        let definition = self.definition();
        let known = definition.pointer("/inputSchema/properties").and_then(Value::as_object);
        match arguments.keys().find(|name| known.is_none_or(|known| !known.contains_key(*name))) {
            Some(unknown) => Err(format!("`{unknown}` is no argument of {}", self.name())),
            None => Ok(()),
        }
    }
}

/// Who calls, as far as the token says.
fn identity(caller: &Caller) -> Value {
    ["iss", "sub", "act", "act_assurance", "aud", "scope", "client_id"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), caller.claims().get(name)?.clone())))
        .collect::<Map<_, _>>()
        .into()
}

fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match arguments.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{name}` must be a string")),
    }
}

fn required<'a>(arguments: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    text(arguments, name)?.ok_or_else(|| format!("`{name}` is required"))
}

fn status(arguments: &Map<String, Value>) -> Result<Option<&str>, String> {
    match text(arguments, "status")? {
        Some(status) if !STATUSES.contains(&status) => {
            Err(format!("`status` must be one of {}", STATUSES.join(", ")))
        }
        status => Ok(status),
    }
}

fn limit(arguments: &Map<String, Value>) -> Result<usize, String> {
    let Some(limit) = arguments.get("limit") else { return Ok(20) };
    limit
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .filter(|limit| (1..=100).contains(limit))
        .ok_or_else(|| "`limit` must be an integer from 1 to 100".to_owned())
}
