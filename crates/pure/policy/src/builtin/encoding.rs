//! Encodings, as strict and as lenient as OPA's.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE};
use regorus::Value;

use super::call_engine;
use super::fit::Fitted;
use super::guard::{Exceeded, Guard, Meter};

/// Bits behind the last byte may be anything.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const READ_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const READ_URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    LENIENT.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `base64.is_valid`: what is no text is none.
pub(super) fn validity(arguments: &[Value]) -> Fitted {
    standard(&super::fit::text_or(arguments, "!"))
}

/// `base64.decode`: line ends are passed over.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn standard(arguments: &[Value]) -> Fitted {
    let joined = |value: &Value| match value.as_string() {
        Ok(text) => Value::from(text.replace(['\r', '\n'], "")),
        Err(_) => value.clone(),
    };
    let joined: Vec<Value> = arguments.iter().map(joined).collect();
    Ok(rewritten(&joined, &READ_STANDARD, &STANDARD))
}

/// `base64url.decode`: with padding or without.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn url_safe(arguments: &[Value]) -> Fitted {
    Ok(rewritten(arguments, &READ_URL_SAFE, &URL_SAFE))
}

/// The texts, read by `reader` and written again as the engine reads them; what cannot be read, it does not read either.
fn rewritten(arguments: &[Value], reader: &GeneralPurpose, writer: &GeneralPurpose) -> Vec<Value> {
    let rewrite = |value: &Value| match value.as_string() {
        Ok(text) => match reader.decode(text.as_bytes()) {
            Ok(bytes) => Value::from(writer.encode(bytes)),
            Err(_) => Value::from("!"),
        },
        Err(_) => value.clone(),
    };
    arguments.iter().map(rewrite).collect()
}

/// `urlquery.encode`: as Go escapes a query.
pub(super) fn query(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    escaped("urlquery.encode", arguments, meter)
}

/// `urlquery.encode_object`: as Go escapes a query.
pub(super) fn query_object(arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    escaped("urlquery.encode_object", arguments, meter)
}

fn escaped(name: &str, arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Guard::Linear.check(arguments, meter)?;
    let encoded = call_engine(name, arguments);
    Ok(match encoded.as_string() {
        Ok(text) => Value::from(text.replace("%7E", "~").replace('*', "%2A")),
        Err(_) => encoded,
    })
}
