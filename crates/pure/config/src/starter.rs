//! The starter configuration that `init` writes.

/// What a starter configuration is filled with; everything is fresh and known to nobody else.
#[derive(Clone, Copy)]
pub struct Starter<'a> {
    /// The URL that clients reach the gateway at, such as `https://gw.example.com` or `http://localhost:9420`.
    pub public_url: &'a str,
    /// The first user's name.
    pub username: &'a str,
    /// The argon2id PHC string of the first user's password.
    pub password_hash: &'a str,
    /// The hash of the first static API key, as `hash-key` prints it.
    pub key_hash: &'a str,
}

/// A value that would not stay one text in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} holds characters that a starter configuration cannot: quotes, backslashes, braces or line breaks"
)]
pub struct StarterError(&'static str);

/// The text of a starter configuration. It loads as it is, once `ANTHROPIC_API_KEY` is in the environment.
pub fn starter(values: &Starter<'_>) -> Result<String, StarterError> {
    let fields = [
        ("public_url", values.public_url),
        ("username", values.username),
        ("password_hash", values.password_hash),
        ("key_hash", values.key_hash),
    ];
    let mut text = TEMPLATE.to_owned();
    for (name, value) in fields {
        if value.chars().any(|c| c.is_control() || matches!(c, '"' | '\\' | '{' | '}' | '<' | '>')) {
            return Err(StarterError(name));
        }
        text = text.replace(&format!("@{name}@"), value);
    }
    Ok(text)
}

const TEMPLATE: &str = include_str!("starter/gatehouse.yaml");

#[cfg(test)]
mod tests;
