//! What every part of the compilation shares: files, names, findings.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::Issuer;
use sha2::{Digest as _, Sha256};

use super::origin::public_origin;
use super::tls::TlsProfile;
use crate::document::Root;
use crate::document::app::App;
use crate::document::connector::Connector;
use crate::document::spot::Placed;
use crate::nearest;
use crate::problem::{Place, Problem, Report, Severity};
use crate::source::loader::{Loader, PRIVATE};

/// One compilation.
pub(crate) struct Compiler<'a> {
    loader: &'a dyn Loader,
    digest: Sha256,
    pub(crate) report: Report,
    /// Warnings that begin at an instant.
    pub(crate) dated: Vec<(Timestamp, Problem)>,
    pub(crate) tls: BTreeMap<String, Arc<TlsProfile>>,
    tls_names: Vec<String>,
    /// The origin that clients reach this process at.
    pub(crate) origin: String,
    /// The issuer of the authorization server in this process.
    pub(crate) issuer: Option<Issuer>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(file: &Arc<str>, content: &[u8], loader: &'a dyn Loader, root: &Root) -> Self {
        let provider = root.oidc_provider.as_ref().filter(|provider| provider.enabled);
        let mut compiler = Self {
            loader,
            digest: Sha256::new(),
            report: Report::new(file),
            dated: Vec::new(),
            tls: BTreeMap::new(),
            tls_names: root.tls.iter().map(|(name, _)| name.value.clone()).collect(),
            origin: public_origin(root),
            issuer: provider.map(|provider| Issuer::new(provider.discovery.issuer.value.clone())),
        };
        compiler.fold(file, content);
        compiler
    }

    /// Findings, revision, and whether any finding is an error.
    pub(crate) fn finish(self) -> (Vec<Problem>, String, bool) {
        let revision = format!("sha256:{}", hexadecimal(&self.digest.finalize()));
        let failed = self.report.has_errors();
        (self.report.into_problems(), revision, failed)
    }

    /// The bytes of a file that the configuration names, at most `limit`; they become part of the revision.
    pub(crate) fn file(&mut self, name: &Placed<String>, limit: usize) -> Option<Vec<u8>> {
        match self.loader.read(name, limit) {
            Ok(bytes) => {
                self.fold(name, &bytes);
                Some(bytes)
            }
            Err(error) => {
                self.report.error(&name.place, error.to_string());
                None
            }
        }
    }

    /// Warns of a file with a secret that others can get at.
    pub(crate) fn check_private(&mut self, file: &Placed<String>, what: &str) {
        if let Some(why) = self.loader.exposure(file) {
            self.report.warning(&file.place, format!("{what} is not private: {why}"), PRIVATE);
        }
    }

    /// The TLS profile of this name.
    pub(crate) fn tls_profile(&mut self, name: Option<&Placed<String>>) -> Option<Arc<TlsProfile>> {
        let name = name?;
        if !self.tls_names.contains(name) {
            let hint = nearest::hint(name, self.tls_names.iter().map(String::as_str));
            self.report.error_with(&name.place, format!("no TLS profile is named `{}`", name.value), hint);
        }
        self.tls.get(&name.value).map(Arc::clone)
    }

    /// Reports a name that is not among `known`.
    pub(crate) fn dangling(&mut self, name: &Placed<String>, what: &str, known: &[&str]) {
        let hint = nearest::hint(name, known.iter().copied());
        self.report.error_with(&name.place, format!("no {what} is named `{}`", name.value), hint);
    }

    /// A number that must be within `range`; `None`, and an error, when it is not.
    pub(crate) fn within<N>(&mut self, written: &Placed<N>, range: RangeInclusive<N>) -> Option<N>
    where
        N: Copy + PartialOrd + Display,
    {
        if range.contains(&written.value) {
            return Some(written.value);
        }
        let message = format!("expected {} to {}, found {}", range.start(), range.end(), written.value);
        self.report.error(&written.place, message);
        None
    }

    /// Notes that `what` ends at `end`, which is a warning from then on.
    pub(crate) fn expiry(&mut self, place: &Place, end: Timestamp, what: &str) {
        let warning = Problem {
            severity: Severity::Warning,
            file: Arc::clone(self.report.file()),
            line: place.at.line,
            column: place.at.column,
            path: place.path.clone(),
            message: format!("{what} ended at {end} and opens nothing"),
            hint: Some("remove it, or write a later date".into()),
        };
        self.dated.push((end, warning));
    }

    /// Names of connectors and apps, and client ids, are unique.
    pub(crate) fn check_names(&mut self, root: &Root) {
        self.unique("connector", root.connectors.iter().map(Connector::name));
        self.unique("app", root.apps.iter().map(App::name));
        let clients = root.apps.iter().filter_map(|app| match app {
            App::Client(client) => Some(&client.client_id),
            _ => None,
        });
        self.unique("client", clients);
        for app in root.apps.iter().map(App::name) {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !app.chars().all(plain) {
                self.report.error(
                    &app.place,
                    "an app name holds letters, digits, `-`, `_` and `.`: it is part of URLs",
                );
            }
        }
        for connector in root.connectors.iter().map(Connector::name) {
            if matches!(connector.as_str(), "client" | "request" | "user") || connector.contains('.') {
                let message =
                    format!("`{}` cannot name a connector: claims could not refer to it", connector.value);
                self.report.error_with(
                    &connector.place,
                    message,
                    "choose a name without dots other than client, request, user",
                );
            }
        }
    }

    fn unique<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n Placed<String>>) {
        let mut seen: HashMap<&str, &Place> = HashMap::new();
        for name in names {
            if let Some(first) = seen.insert(name, &name.place) {
                let message = format!("another {what} is called `{}`, on line {}", name.value, first.at.line);
                self.report.error(&name.place, message);
            }
        }
    }

    /// A configuration that opens no door is a mistake.
    pub(crate) fn nothing_served(&mut self, root: &Root) {
        if !self.report.has_errors() {
            self.report.error_with(
                &root.place,
                "nothing is served",
                "write oidcProvider, mcpProvider or llmProvider, and leave it enabled",
            );
        }
    }

    fn fold(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            self.digest.update(part);
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
