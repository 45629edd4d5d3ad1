//! `io.jwt.decode`: looks into a token without verifying it (RFC 7515 §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regorus::Value;

use super::guard::{Exceeded, Meter};
use super::json;

/// Longest token that is read.
const MAX_TOKEN: usize = 64 * 1024;

/// `[header, payload, signature]` as OPA gives it: two objects and the signature in hexadecimal. Of a token within a token
/// (RFC 7519 §5.2), those of the innermost one. Undefined for anything that is no signed JWT.
pub(super) fn decode(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    let Some(Ok(token)) = arguments.first().map(Value::as_string) else { return Ok(Value::Undefined) };
    if token.len() > MAX_TOKEN {
        return Err(Exceeded::Arguments);
    }
    let mut token = token.to_string();
    loop {
        meter.take(4 * token.len())?;
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')));
        let (Some(Ok(header)), Some(Ok(payload)), Some(Ok(signature)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(Value::Undefined);
        };
        let header = json::read(&header, meter)?;
        if header["cty"].as_string().is_ok_and(|kind| kind.as_ref() == "JWT") {
            // It is a quarter shorter than the one around it, so this comes to an end.
            let Ok(inner) = String::from_utf8(payload) else { return Ok(Value::Undefined) };
            token = inner;
            continue;
        }
        let payload = json::read(&payload, meter)?;
        if header.as_object().is_err() || payload.as_object().is_err() {
            return Ok(Value::Undefined);
        }
        return Ok(Value::from(vec![header, payload, Value::from(hexadecimal(&signature))]));
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(nibble), 16));
        }
        hex
    })
}
