//! How many tokens a second one thread signs with nothing around it: the measure for the token endpoint.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A run in numbers.
#[derive(Debug, Serialize)]
pub struct Report {
    /// JOSE name.
    pub algorithm: String,
    /// Tokens a second.
    pub per_second: f64,
}

/// Signs for `duration` with a fresh key of the algorithm that JOSE calls `algorithm`.
pub fn run(algorithm: &str, duration: Duration) -> anyhow::Result<Report> {
    let algorithm: Algorithm =
        Algorithm::parse(algorithm).with_context(|| format!("not a signature algorithm: {algorithm}"))?;
    let key = SigningKey::generate(algorithm).map_err(|error| anyhow!(error))?;
    let claims = claims();
    let start = Instant::now();
    let mut signed = 0_u32;
    while start.elapsed() < duration {
        key.sign("at+jwt", &claims)?;
        signed += 1;
    }
    let per_second = f64::from(signed) / start.elapsed().as_secs_f64();
    Ok(Report { algorithm: algorithm.as_str().to_owned(), per_second })
}

/// The claims of an access token for the client credentials grant (RFC 9068 §2.2).
fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "http://127.0.0.1:9420", "sub": "bench-rs256", "aud": "http://127.0.0.1:9420/mcp",
        "client_id": "bench-rs256", "scope": "invoices:read", "jti": "01HZX3V2M8Q4T6W9Y1B5D7F0GK",
        "iat": 1_790_000_000_u64, "exp": 1_790_000_900_u64,
    });
    match claims {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
