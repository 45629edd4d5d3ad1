//! The people in the directory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Employee {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) department: String,
    pub(super) email: String,
    pub(super) manager_id: Option<String>,
}

/// A person to add.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewEmployee {
    name: String,
    title: String,
    department: String,
    email: String,
    manager_id: Option<String>,
}

/// What to change about a person.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EmployeeChange {
    name: Option<String>,
    title: Option<String>,
    department: Option<String>,
    email: Option<String>,
    manager_id: Option<String>,
}

/// Why the staff stays as it is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum StaffError {
    #[error("there is no employee `{0}`")]
    Unknown(String),
    #[error("`{0}` must have 1 to 100 characters")]
    Length(&'static str),
    #[error("`email` must contain an @")]
    Email,
    #[error("`managerId`: there is no employee `{0}`")]
    UnknownManager(String),
    #[error("`managerId`: nobody can be their own superior, `{0}` would be")]
    Cycle(String),
    #[error("`{0}` still has reports; give them another manager first")]
    HasReports(String),
}

/// Everybody, by id.
pub(super) struct Staff {
    people: BTreeMap<String, Employee>,
    next: u32,
}

impl Staff {
    /// A small company.
    pub(super) fn seeded() -> Self {
        let person = |(id, name, title, department, manager): (&str, &str, &str, &str, &str)| {
            let first = name.split(' ').next().unwrap_or_default().to_lowercase();
            let employee = Employee {
                id: id.into(),
                name: name.into(),
                title: title.into(),
                department: department.into(),
                email: format!("{first}@example.com"),
                manager_id: (!manager.is_empty()).then(|| manager.into()),
            };
            (employee.id.clone(), employee)
        };
        let people = [
            ("E100", "Ada Okafor", "Chief Executive", "Management", ""),
            ("E101", "Grace Lindqvist", "VP Engineering", "Engineering", "E100"),
            ("E102", "Linus Moreau", "Staff Engineer", "Engineering", "E101"),
            ("E103", "Barbara Nakamura", "Software Engineer", "Engineering", "E102"),
            ("E104", "Edsger Silva", "Site Reliability Engineer", "Engineering", "E101"),
            ("E105", "Katherine Weiss", "Chief Financial Officer", "Finance", "E100"),
            ("E106", "Luca Bianchi", "Accountant", "Finance", "E105"),
            ("E107", "Radia Haddad", "Head of Security", "Security", "E100"),
            ("E108", "Whitfield Jensen", "Security Analyst", "Security", "E107"),
            ("E109", "Mary Duval", "People Partner", "People", "E100"),
        ];
        Self { people: people.into_iter().map(person).collect(), next: 110 }
    }

    pub(super) fn find(&self, id: &str) -> Result<&Employee, StaffError> {
        self.people.get(id).ok_or_else(|| StaffError::Unknown(id.to_owned()))
    }

    /// Those in `department`, if given, whose name or title contains `search`, if given.
    pub(super) fn select(&self, department: Option<&str>, search: Option<&str>) -> Vec<&Employee> {
        let search = search.map(str::to_lowercase);
        let found = |text: &str| search.as_ref().is_none_or(|search| text.to_lowercase().contains(search));
        self.people
            .values()
            .filter(|person| department.is_none_or(|department| person.department == department))
            .filter(|person| found(&person.name) || found(&person.title))
            .collect()
    }

    pub(super) fn departments(&self) -> Value {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for person in self.people.values() {
            *counts.entry(&person.department).or_default() += 1;
        }
        counts.into_iter().map(|(name, employees)| json!({ "name": name, "employees": employees })).collect()
    }

    /// The tree below `root`, or everybody without a manager.
    pub(super) fn chart(&self, root: Option<&str>) -> Result<Value, StaffError> {
        match root {
            Some(root) => Ok(json!([self.node(self.find(root)?)])),
            None => Ok(self.reports(None)),
        }
    }

    fn node(&self, person: &Employee) -> Value {
        json!({
            "id": person.id, "name": person.name, "title": person.title,
            "reports": self.reports(Some(&person.id)),
        })
    }

    fn reports(&self, manager: Option<&str>) -> Value {
        let of = |person: &&Employee| person.manager_id.as_deref() == manager;
        self.people.values().filter(of).map(|person| self.node(person)).collect()
    }

    pub(super) fn hire(&mut self, new: NewEmployee) -> Result<Employee, StaffError> {
        let employee = Employee {
            id: format!("E{}", self.next),
            name: new.name,
            title: new.title,
            department: new.department,
            email: new.email,
            manager_id: new.manager_id,
        };
        self.check(&employee)?;
        self.next += 1;
        self.people.insert(employee.id.clone(), employee.clone());
        Ok(employee)
    }

    pub(super) fn change(&mut self, id: &str, change: EmployeeChange) -> Result<Employee, StaffError> {
        let old = self.find(id)?.clone();
        let employee = Employee {
            name: change.name.unwrap_or(old.name),
            title: change.title.unwrap_or(old.title),
            department: change.department.unwrap_or(old.department),
            email: change.email.unwrap_or(old.email),
            manager_id: change.manager_id.or(old.manager_id),
            id: old.id,
        };
        self.check(&employee)?;
        self.people.insert(employee.id.clone(), employee.clone());
        Ok(employee)
    }

    pub(super) fn dismiss(&mut self, id: &str) -> Result<(), StaffError> {
        self.find(id)?;
        if self.people.values().any(|person| person.manager_id.as_deref() == Some(id)) {
            return Err(StaffError::HasReports(id.to_owned()));
        }
        self.people.remove(id);
        Ok(())
    }

    fn check(&self, employee: &Employee) -> Result<(), StaffError> {
        let texts = [
            ("name", &employee.name),
            ("title", &employee.title),
            ("department", &employee.department),
            ("email", &employee.email),
        ];
        for (name, text) in texts {
            if !(1..=100).contains(&text.chars().count()) {
                return Err(StaffError::Length(name));
            }
        }
        if !employee.email.contains('@') {
            return Err(StaffError::Email);
        }
        let mut above = employee.manager_id.as_deref();
        while let Some(id) = above {
            if id == employee.id {
                return Err(StaffError::Cycle(id.to_owned()));
            }
            let manager = self.people.get(id).ok_or_else(|| StaffError::UnknownManager(id.to_owned()))?;
            above = manager.manager_id.as_deref();
        }
        Ok(())
    }
}
