//! Aggregates as rows: the JSON body and the columns beside it. Columns that change in place are the truth.

use gatehouse_audit::head::{Head, NotAHead};
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::secret::Secret;
use gatehouse_oauth::grant::Grant;
use gatehouse_oauth::refresh::RefreshFamily;
use gatehouse_store::error::StoreError;
use gatehouse_store::signing_key::StoredSigningKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A grant to write.
pub(crate) struct GrantRow {
    pub(crate) id: String,
    pub(crate) stage: &'static str,
    pub(crate) client: String,
    pub(crate) subject: Option<String>,
    pub(crate) code_hash: Option<String>,
    pub(crate) expires_at: i64,
    pub(crate) body: String,
}

impl GrantRow {
    pub(crate) fn of(grant: &Grant) -> Result<Self, StoreError> {
        Ok(Self {
            id: grant.id().to_string(),
            stage: grant.stage().as_str(),
            client: grant.client().to_string(),
            subject: grant.user().map(|user| user.subject.to_string()),
            code_hash: grant.code().map(ToString::to_string),
            expires_at: grant.expires_at().unix_nanos(),
            body: to_body("grant", grant)?,
        })
    }
}

/// A grant as read; `None` for one that was revoked before it became active.
pub(crate) fn grant(id: &str, body: &str, revoked_at: Option<i64>) -> Result<Option<Grant>, StoreError> {
    let grant: Grant = from_body("grant", id, body)?;
    Ok(match (grant, revoked_at.map(Timestamp::from_unix_nanos)) {
        (grant, None) => Some(grant),
        (Grant::Active(active), Some(at)) => Some(Grant::Active(active.revoked(at))),
        (_, Some(_)) => None,
    })
}

/// A refresh family to write.
pub(crate) struct FamilyRow {
    pub(crate) id: String,
    pub(crate) grant: String,
    pub(crate) generation: i64,
    pub(crate) successor_used: bool,
    pub(crate) stale_hits: i64,
    pub(crate) expires_at: i64,
    pub(crate) revoked_at: Option<i64>,
    pub(crate) body: String,
}

impl FamilyRow {
    pub(crate) fn of(family: &RefreshFamily) -> Result<Self, StoreError> {
        Ok(Self {
            id: family.id.to_string(),
            grant: family.grant.to_string(),
            generation: column(family.generation)?,
            successor_used: family.successor_used,
            stale_hits: i64::from(family.stale_hits),
            expires_at: family.expires_at.min(family.idle_expires_at).unix_nanos(),
            revoked_at: family.revoked_at.map(Timestamp::unix_nanos),
            body: to_body("refresh family", family)?,
        })
    }
}

/// The columns of a refresh family that change in place, with its body.
pub(crate) struct FamilyColumns {
    pub(crate) body: String,
    pub(crate) successor_used: bool,
    pub(crate) stale_hits: i64,
    pub(crate) revoked_at: Option<i64>,
}

impl FamilyColumns {
    pub(crate) fn read(self, id: &str) -> Result<RefreshFamily, StoreError> {
        let mut family: RefreshFamily = from_body("refresh family", id, &self.body)?;
        family.successor_used = self.successor_used;
        family.stale_hits = u32::try_from(self.stale_hits)
            .map_err(|_| corrupt("refresh family", id, format!("stale_hits is {}", self.stale_hits)))?;
        family.revoked_at = self.revoked_at.map(Timestamp::from_unix_nanos);
        Ok(family)
    }
}

/// A signing key as its columns.
pub(crate) type SigningKeyColumns = (String, String, String, i64, Option<i64>);

pub(crate) fn signing_key(columns: SigningKeyColumns) -> Result<StoredSigningKey, StoreError> {
    let (kid, algorithm, private_key, created_at, retired_at) = columns;
    let algorithm = Algorithm::parse(&algorithm)
        .ok_or_else(|| corrupt("signing key", &kid, format!("unknown algorithm `{algorithm}`")))?;
    Ok(StoredSigningKey {
        kid,
        algorithm,
        private_key: Secret::new(private_key),
        created_at: Timestamp::from_unix_nanos(created_at),
        retired_at: retired_at.map(Timestamp::from_unix_nanos),
    })
}

/// The end of an audit log as columns.
pub(crate) fn head_columns(head: Head) -> (i64, String) {
    let text = head.to_string();
    let hash = text.split_once(':').map(|(_, hash)| hash.to_owned()).unwrap_or_default();
    (i64::try_from(head.seq).unwrap_or(i64::MAX), hash)
}

/// The end of an audit log from its columns.
pub(crate) fn head((seq, hash): (i64, String)) -> Result<Head, StoreError> {
    format!("{seq}:{hash}")
        .parse()
        .map_err(|error: NotAHead| corrupt("audit head", &seq.to_string(), error.to_string()))
}

/// A counter as a column.
pub(crate) fn column(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| StoreError::Refused { reason: format!("{count} does not fit a column") })
}

/// A counter from a column.
pub(crate) fn counter(what: &'static str, id: &str, column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| corrupt(what, id, format!("negative counter {column}")))
}

pub(crate) fn to_body<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Refused { reason: format!("{what} cannot be written: {error}") })
}

pub(crate) fn from_body<T: DeserializeOwned>(
    what: &'static str,
    id: &str,
    body: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| corrupt(what, id, error.to_string()))
}

fn corrupt(what: &'static str, id: &str, reason: String) -> StoreError {
    StoreError::Corrupt { what, id: id.to_owned(), reason }
}
