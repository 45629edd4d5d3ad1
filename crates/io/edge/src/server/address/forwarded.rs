//! `Forwarded` (RFC 7239): a list of elements, each a set of parameters, read by its grammar and not by its commas,
//! because a quoted value may hold any of the separators.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;

use super::{Hop, is_port};

/// The hops, left to right, or what cannot be read of them. Each line is read by itself: a quotation that one
/// leaves open does not reach into the next, which somebody else may have written.
pub(super) fn hops(headers: &HeaderMap) -> Result<Vec<Hop>, &'static str> {
    let mut hops = Vec::new();
    for line in headers.get_all(http::header::FORWARDED) {
        let mut rest = line.to_str().map_err(|_| "bytes that are not ASCII")?;
        loop {
            let (hop, after) = element(rest)?;
            hops.extend(hop);
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err("something other than a separator after a value"),
            }
        }
    }
    Ok(hops)
}

/// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )` and what follows it; `None` for an empty element, which lists may
/// have (RFC 9110 §5.6.1).
fn element(text: &str) -> Result<(Option<Hop>, &str), &'static str> {
    let mut seen: Vec<String> = Vec::new();
    let mut hop = Hop::Hidden;
    let mut rest = text.trim_start_matches(BLANK);
    loop {
        if !(rest.is_empty() || rest.starts_with([';', ','])) {
            let (name, after) = token(rest).ok_or("a parameter without a name")?;
            let after = after.strip_prefix('=').ok_or("a parameter without `=`")?;
            let (value, after) = value(after)?;
            let name = name.to_ascii_lowercase();
            if name == "for" {
                hop = node(&value).ok_or("`for` is no node identifier")?;
            }
            if seen.contains(&name) {
                return Err("a parameter twice in one element");
            }
            seen.push(name);
            rest = after.trim_start_matches(BLANK);
        }
        match rest.strip_prefix(';') {
            Some(next) => rest = next.trim_start_matches(BLANK),
            None => return Ok(((!seen.is_empty()).then_some(hop), rest)),
        }
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// `token / quoted-string` and what follows it.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = token(text).ok_or("a value that is neither a token nor quoted")?;
        return Ok((token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next().ok_or("a quotation that does not end")? {
            '"' => return Ok((value, letters.as_str())),
            '\\' => value.push(letters.next().ok_or("a quotation that does not end")?),
            letter => value.push(letter),
        }
    }
}

/// `token` (RFC 9110 §5.6.2), not empty, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let other = |letter: char| !(letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter));
    let (token, rest) = text.split_at_checked(text.find(other).unwrap_or(text.len()))?;
    (!token.is_empty()).then_some((token, rest))
}

/// `node` (RFC 7239 §6): a name and perhaps a port, which may be obfuscated as well.
fn node(text: &str) -> Option<Hop> {
    let is_port = |port: &str| is_port(port) || is_obfuscated(port);
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, port) = rest.split_once(']')?;
        let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        let ip = inside.parse::<Ipv6Addr>().ok().filter(|_| fits)?;
        return Some(Hop::At(IpAddr::V6(ip).to_canonical()));
    }
    let name = match text.split_once(':') {
        Some((name, port)) => is_port(port).then_some(name)?,
        None => text,
    };
    match name.parse::<Ipv4Addr>() {
        Ok(ip) => Some(Hop::At(ip.into())),
        Err(_) => Some(hidden(name)).filter(|hop| *hop == Hop::Hidden),
    }
}

/// A node that is no address: `unknown`, or an obfuscated identifier.
pub(super) fn hidden(name: &str) -> Hop {
    let said = name.eq_ignore_ascii_case("unknown") || is_obfuscated(name);
    if said { Hop::Hidden } else { Hop::Unreadable }
}

/// `obfnode`, `obfport`: `_` and letters, digits, `.`, `_` or `-`.
fn is_obfuscated(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.strip_prefix('_').is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits))
}
