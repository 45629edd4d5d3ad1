use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What is looked for.
#[derive(Default)]
pub(super) struct Needles {
    everywhere: Vec<(String, Vec<Vec<u8>>)>,
    upstreams: Vec<(String, Vec<Vec<u8>>)>,
}

impl Needles {
    /// A text that must be nowhere.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        assert!(text.len() >= 16, "{name} is too short to be told from chance: {text}");
        self.everywhere.push((name.to_owned(), disguises(text)));
    }

    /// A token whose claims and signature must be nowhere on their own, either.
    pub(super) fn token(&mut self, name: &str, token: &str) {
        self.add(name, token);
        for (at, part) in token.split('.').enumerate().skip(1) {
            self.add(&format!("part {at} of {name}"), part);
        }
    }

    /// A text that no upstream may see.
    pub(super) fn at_upstreams(&mut self, name: &str, text: &str) {
        assert!(text.len() >= 16, "{name}: {text}");
        self.upstreams.push((name.to_owned(), disguises(text)));
    }

    /// The names of what is in `hay`.
    pub(super) fn found_in(&self, hay: &[u8]) -> Vec<&str> {
        found(&self.everywhere, hay)
    }

    #[track_caller]
    pub(super) fn assert_absent(&self, place: &str, hay: &[u8]) {
        assert!(!hay.is_empty(), "{place} is empty");
        assert_eq!(self.found_in(hay), Vec::<&str>::new(), "in {place}");
    }

    #[track_caller]
    pub(super) fn assert_absent_upstream(&self, place: &str, hay: &[u8]) {
        self.assert_absent(place, hay);
        assert_eq!(found(&self.upstreams, hay), Vec::<&str>::new(), "at {place}");
    }
}

fn found<'a>(needles: &'a [(String, Vec<Vec<u8>>)], hay: &[u8]) -> Vec<&'a str> {
    let is_there = |disguises: &Vec<Vec<u8>>| disguises.iter().any(|disguise| holds(hay, disguise));
    needles.iter().filter(|(_, disguises)| is_there(disguises)).map(|(name, _)| name.as_str()).collect()
}

/// Whether `needle` is in `hay`.
pub(super) fn holds(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = hay;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// `text` as it is, percent-encoded, escaped for JSON, in hexadecimal and in base64 at every alignment.
pub(super) fn disguises(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let encoded = |keep: fn(u8) -> bool, upper: bool| -> Vec<u8> {
        let one = |byte: &u8| match byte {
            byte if keep(*byte) => char::from(*byte).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        bytes.iter().map(one).collect::<String>().into_bytes()
    };
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let form = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    let json = serde_json::to_string(text).unwrap();
    let hexadecimal = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut all = vec![
        bytes.to_vec(),
        encoded(unreserved, true),
        encoded(unreserved, false),
        encoded(form, true),
        json.trim_matches('"').as_bytes().to_vec(),
        hexadecimal.to_uppercase().into_bytes(),
        hexadecimal.into_bytes(),
    ];
    for shift in 0..3 {
        let padded = [&b"\0\0"[..shift], bytes].concat();
        // What stands before and after decides the outermost digits.
        let (start, end) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
        for code in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            all.push(code.as_bytes()[start..end].to_vec());
        }
    }
    all.sort();
    all.dedup();
    all
}
