//! What stands in the ledger.

use serde_json::{Value, json};

/// Accounts, transactions, customers and who changed what.
pub(super) struct Books {
    accounts: Vec<Account>,
    audit: Vec<Value>,
}

struct Account {
    id: &'static str,
    customer: &'static str,
    kind: &'static str,
    status: String,
    balance_cents: i64,
    movements: &'static [(&'static str, i64, &'static str)],
}

/// The states of an account.
pub(super) const STATUSES: [&str; 3] = ["active", "frozen", "closed"];

/// Customer id, name, social security number, date of birth, email: all invented.
const CUSTOMERS: [(&str, &str, &str, &str, &str); 3] = [
    ("C-1", "Hopper Industries", "900-12-3456", "1961-12-09", "treasury@hopper.example"),
    ("C-2", "Lovelace & Sons", "900-65-4321", "1975-12-10", "office@lovelace.example"),
    ("C-3", "Noether Foundation", "900-11-2233", "1982-03-23", "grants@noether.example"),
];

impl Books {
    /// Four accounts of three customers.
    pub(super) fn seeded() -> Self {
        let account = |id, customer, kind, status: &str, balance_cents, movements| Account {
            id,
            customer,
            kind,
            status: status.into(),
            balance_cents,
            movements,
        };
        let accounts = vec![
            account(
                "ACC-1001",
                "C-1",
                "checking",
                "active",
                1_254_300,
                &[
                    ("2026-11-02", -45_000, "Office rent"),
                    ("2026-11-09", 310_000, "Invoice 2291"),
                    ("2026-11-16", -12_750, "Cloud hosting"),
                ],
            ),
            account("ACC-1002", "C-1", "savings", "active", 9_800_000, &[("2026-10-31", 8_167, "Interest")]),
            account(
                "ACC-2001",
                "C-2",
                "checking",
                "frozen",
                42_010,
                &[("2026-11-04", -990, "Card payment"), ("2026-11-05", -990, "Card payment")],
            ),
            account(
                "ACC-3001",
                "C-3",
                "checking",
                "active",
                730_555,
                &[("2026-11-12", -200_000, "Grant 17")],
            ),
        ];
        Self { accounts, audit: Vec::new() }
    }

    /// Every account, or those in one state.
    pub(super) fn accounts(&self, status: Option<&str>) -> Value {
        let wanted = |account: &&Account| status.is_none_or(|status| account.status == status);
        json!({ "accounts": self.accounts.iter().filter(wanted).map(Account::summary).collect::<Vec<_>>() })
    }

    pub(super) fn account(&self, id: &str) -> Result<Value, String> {
        self.find(id).map(Account::summary)
    }

    /// The latest `limit` transactions, newest first.
    pub(super) fn transactions(&self, id: &str, limit: usize) -> Result<Value, String> {
        let account = self.find(id)?;
        let movement = |(date, cents, text): &(&str, i64, &str)| json!({ "date": date, "amount": money(*cents), "currency": "USD", "description": text });
        let shown: Vec<_> = account.movements.iter().rev().take(limit).map(movement).collect();
        Ok(json!({ "accountId": id, "transactions": shown }))
    }

    /// Changes the state of an account and writes down who did it.
    pub(super) fn set_status(
        &mut self,
        id: &str,
        status: &str,
        by: &Value,
        at: &str,
    ) -> Result<Value, String> {
        let account =
            self.accounts.iter_mut().find(|account| account.id == id).ok_or_else(|| unknown_account(id))?;
        if account.status == "closed" {
            return Err(format!("account {id} is closed and stays so"));
        }
        let before = std::mem::replace(&mut account.status, status.to_owned());
        let summary = account.summary();
        self.audit.push(json!({
            "time": at, "action": "updateAccountStatus", "accountId": id,
            "from": before, "to": status, "by": by,
        }));
        Ok(summary)
    }

    /// A customer's personal data.
    pub(super) fn customer(id: &str) -> Result<Value, String> {
        CUSTOMERS
            .iter()
            .find(|customer| customer.0 == id)
            .map(|(id, name, ssn, born, email)| {
                json!({ "customerId": id, "name": name, "ssn": ssn, "dateOfBirth": born, "email": email })
            })
            .ok_or_else(|| format!("there is no customer {id}"))
    }

    /// The latest `limit` changes, newest first.
    pub(super) fn audit(&self, limit: usize) -> Value {
        json!({ "entries": self.audit.iter().rev().take(limit).collect::<Vec<_>>() })
    }

    fn find(&self, id: &str) -> Result<&Account, String> {
        self.accounts.iter().find(|account| account.id == id).ok_or_else(|| unknown_account(id))
    }
}

impl Account {
    fn summary(&self) -> Value {
        json!({
            "accountId": self.id, "customerId": self.customer, "type": self.kind, "status": self.status,
            "balance": money(self.balance_cents), "currency": "USD",
        })
    }
}

fn unknown_account(id: &str) -> String {
    format!("there is no account {id}")
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}
