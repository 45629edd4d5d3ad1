use super::draw::Draw;

/// What happens to a configuration in the hands of people, editors and merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    KeyTypo,
    WrongType,
    RemovedKey,
    DuplicateKey,
    UnknownWord,
    OutOfRange,
    Dangling,
    BadUrl,
    BadNetwork,
    BadDuration,
    Tab,
    Indent,
    Cut,
    NotUtf8,
    BrokenPolicy,
    Nesting,
    Alias,
}

impl Kind {
    pub(super) const ALL: &'static [Self] = &[
        Self::KeyTypo,
        Self::WrongType,
        Self::RemovedKey,
        Self::DuplicateKey,
        Self::UnknownWord,
        Self::OutOfRange,
        Self::Dangling,
        Self::BadUrl,
        Self::BadNetwork,
        Self::BadDuration,
        Self::Tab,
        Self::Indent,
        Self::Cut,
        Self::NotUtf8,
        Self::BrokenPolicy,
        Self::Nesting,
        Self::Alias,
    ];

    /// How many of `all` may load all the same: a file may be cut behind a section that nobody misses, and another
    /// indentation of a comment or of a first line means the same.
    pub(super) fn bearable(self, all: usize) -> usize {
        match self {
            Self::Cut => all / 4,
            Self::Indent => all / 3,
            _ => 0,
        }
    }

    /// Whether the damage is that of one key, which the problem then names.
    pub(super) fn has_a_key(self) -> bool {
        matches!(
            self,
            Self::KeyTypo
                | Self::WrongType
                | Self::UnknownWord
                | Self::OutOfRange
                | Self::Dangling
                | Self::BadUrl
                | Self::BadNetwork
                | Self::BadDuration
        )
    }
}

const WORD_KEYS: [&str; 9] =
    ["type", "level", "provider", "transport", "method", "clientAuth", "minVersion", "mode", "algorithm"];
const DURATION_KEYS: [&str; 8] = [
    "timeout",
    "maxTimeout",
    "idleTimeout",
    "refreshInterval",
    "clockSkew",
    "ttl",
    "interval",
    "dialTimeout",
];
const NUMBERS: [&str; 7] = ["-1", "99999999999999999999", "1.5", "1e9", "NaN", "0x10", "\"\""];
const DURATIONS: [&str; 8] =
    ["1 fortnight", "-5s", "5", "1h-", "\"\"", "s", "1.5.5s", "99999999999999999999h"];
const ADDRESSES: [&str; 7] = [
    "\"10.0.0.1\"",
    "\"10.0.0.256:9420\"",
    "\"localhost\"",
    "\":\"",
    "\"0.0.0.0:65536\"",
    "\"[::1:80\"",
    "\"0.0.0.0:-1\"",
];
const NETWORKS: [&str; 8] =
    ["10.0.0.0/33", "10.0.0/8", "300.1.1.1/8", "::/129", "all", "10.0.0.0/-1", "10.0.0.0/8/8", "*"];
const URLS: [&str; 9] = [
    "\"\"",
    "http://",
    "https://exa mple.com",
    "//gw.example.com",
    "gw.example.com",
    "ftp://gw.example.com",
    "https://ada:x@gw.example.com/",
    "https://[::1/",
    "https://gw.example.com:99999/",
];

/// One damaged configuration.
pub(super) struct Mutant {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    /// Where the damage is.
    pub(super) line: u32,
    /// Whose value it is.
    pub(super) key: String,
    /// The section that the key is in.
    pub(super) section: String,
    origin: String,
    written: String,
}

impl Mutant {
    pub(super) fn what(&self) -> String {
        format!("{:?} in {}, line {}: {}", self.kind, self.origin, self.line, self.written)
    }
}

/// A line of YAML that says something about a key.
#[derive(Clone)]
struct Line<'a> {
    number: usize,
    text: &'a str,
    indent: usize,
    /// Indentation and any `- `.
    lead: &'a str,
    key: &'a str,
    value: &'a str,
    /// The keys above it, outermost first.
    above: Vec<&'a str>,
}

/// What is done to one configuration.
struct Workbench<'a> {
    origin: &'a str,
    lines: Vec<&'a str>,
    keys: Vec<Line<'a>>,
    policies: Vec<usize>,
    done: Vec<Mutant>,
}

/// All damage to `text`.
pub(super) fn mutants(origin: &str, text: &str, draw: &mut Draw) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let (keys, policies) = read(&lines);
    let mut bench = Workbench { origin, lines, keys, policies, done: Vec::new() };
    bench.keys(draw);
    bench.values(draw);
    bench.shape(draw);
    bench.policies(draw);
    bench.done
}

impl Workbench<'_> {
    /// Puts `replacement` in the place of a line.
    fn replace(&mut self, kind: Kind, at: usize, replacement: &str) {
        let known = self.keys.iter().find(|line| line.number == at);
        let key = known.map_or("", |line| line.key).to_owned();
        let section = known.and_then(|line| line.above.last().copied()).unwrap_or_default().to_owned();
        let mut lines = self.lines.clone();
        lines[at] = replacement;
        let bytes = (lines.join("\n") + "\n").into_bytes();
        let written = replacement.lines().last().unwrap_or_default().chars().take(120).collect();
        let line = u32::try_from(at + 1).unwrap();
        self.done.push(Mutant { kind, bytes, line, key, section, origin: self.origin.to_owned(), written });
    }

    fn value(&mut self, kind: Kind, at: usize, value: &str) {
        let Line { number, lead, key, .. } = &self.keys[at];
        let (number, text) = (*number, format!("{lead}{key}: {value}"));
        self.replace(kind, number, &text);
    }

    fn keys(&mut self, draw: &mut Draw) {
        for at in 0..self.keys.len() {
            let Line { number, text, lead, key, value, above, .. } = self.keys[at].clone();
            if !free(&above) {
                let typo = misspelt(key, draw);
                let text = format!("{lead}{typo}:{}{value}", if value.is_empty() { "" } else { " " });
                self.replace(Kind::KeyTypo, number, &text);
            }
            if !value.is_empty() && !lead.contains('-') {
                self.replace(Kind::DuplicateKey, number, &format!("{text}\n{text}"));
            }
            let needed = [
                "clientID",
                "type",
                "oidcWellKnownURL",
                "oauthClientID",
                "rego",
                "passwordHash",
                "privateKey",
            ];
            // Sections whose `type` has a default.
            let defaulted = ["outbound", "accessToken", "tokenExchange", "store"];
            let parent = above.last().copied().unwrap_or_default();
            if needed.contains(&key)
                && !lead.contains('-')
                && !value.ends_with('|')
                && !defaulted.contains(&parent)
            {
                self.replace(Kind::RemovedKey, number, "");
            }
        }
    }

    fn values(&mut self, draw: &mut Draw) {
        for at in 0..self.keys.len() {
            let Line { key, value, above, .. } = self.keys[at].clone();
            if free(&above) || value.is_empty() {
                continue;
            }
            if !value.starts_with(['[', '{', '|']) {
                self.scalar(at, draw);
            }
            if key.ends_with("Seconds") {
                self.all(Kind::OutOfRange, at, &NUMBERS);
            }
            if DURATION_KEYS.contains(&key) {
                self.all(Kind::BadDuration, at, &DURATIONS);
            }
            if key == "address" {
                self.all(Kind::BadNetwork, at, &ADDRESSES);
                if above == ["http"] {
                    self.networks(at);
                }
            }
        }
    }

    fn all(&mut self, kind: Kind, at: usize, values: &[&str]) {
        for value in values {
            self.value(kind, at, value);
        }
    }

    fn scalar(&mut self, at: usize, draw: &mut Draw) {
        let Line { key, value, .. } = self.keys[at].clone();
        self.value(Kind::WrongType, at, draw.one(&["[17]", "{ a: 1 }", "[[]]", "{}", "[~]"]));
        if WORD_KEYS.contains(&key) {
            let word = format!("{}{}", value.trim_matches('"'), draw.one(&["x", "-2", "_"]));
            self.value(Kind::UnknownWord, at, &word);
            self.value(Kind::UnknownWord, at, "nonsense");
        }
        if matches!(key, "idp" | "tls" | "app") {
            self.value(Kind::Dangling, at, "nobody-of-this-name");
        }
        if key.ends_with("URL") || matches!(key, "url" | "issuer" | "wellKnownEndpoint") {
            for _ in 0..3 {
                self.value(Kind::BadUrl, at, draw.one(&URLS));
            }
        }
    }

    /// Trusted proxies that are none, behind the address of the listener.
    fn networks(&mut self, at: usize) {
        let Line { number, text, .. } = self.keys[at].clone();
        for network in NETWORKS {
            self.replace(Kind::BadNetwork, number, &format!("{text}\n  trustedProxies: [\"{network}\"]"));
            let mutant = self.done.last_mut().unwrap();
            (mutant.line, mutant.key) = (mutant.line + 1, "trustedProxies".to_owned());
        }
    }

    fn shape(&mut self, draw: &mut Draw) {
        let text = self.lines.join("\n") + "\n";
        for at in 0..self.keys.len() {
            let Line { number, text, indent, .. } = self.keys[at];
            if indent > 0 {
                self.replace(Kind::Tab, number, &format!("\t{}", text.trim_start()));
                self.replace(Kind::Indent, number, &format!(" {text}"));
            }
        }
        for _ in 0..40 {
            let at = draw.below(self.keys.len());
            let Line { number, text, .. } = self.keys[at];
            // In the middle of a key or of a value.
            let cut = text.len() - 1 - draw.below(text.trim_start().len() - 1);
            let kept: Vec<&str> = self.lines[..number].iter().copied().chain([&text[..cut]]).collect();
            self.raw(Kind::Cut, number, kept.join("\n").into_bytes());
        }
        for _ in 0..20 {
            let mut bytes = text.clone().into_bytes();
            let at = draw.below(bytes.len());
            let junk: &[u8] =
                draw.one(&[&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\x80", b"\xf5\x80\x80\x80"]);
            let line = String::from_utf8_lossy(&bytes[..at]).matches('\n').count();
            bytes.splice(at..at, junk.iter().copied());
            self.raw(Kind::NotUtf8, line, bytes);
        }
        for depth in [200, 1_000, 20_000] {
            for (open, close) in [("[", "]"), ("{a: ", "}"), ("[", ""), ("- ", "")] {
                let nested = format!("{}x{}", open.repeat(depth), close.repeat(depth));
                let break_ = if open == "- " { "\n  " } else { " " };
                self.raw(
                    Kind::Nesting,
                    self.lines.len(),
                    format!("{text}extra:{break_}{nested}\n").into_bytes(),
                );
            }
        }
        for bomb in [
            "a: &a [1]\nb: [*a, *a]\n",
            "a: *nowhere\n",
            "a: &a {b: *a}\n",
            "<<: *x\n",
            "a: &a x\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b]\n",
        ] {
            self.raw(Kind::Alias, 0, format!("{bomb}{text}").into_bytes());
        }
    }

    fn policies(&mut self, draw: &mut Draw) {
        for at in self.policies.clone() {
            let text = self.lines[at];
            let margin = &text[..text.len() - text.trim_start().len()];
            let broken = [
                format!("{text}\n{margin}}}"),
                format!("{text}\n{margin}result := {{"),
                format!("{text}\n{margin}x := http.send({{\"url\": \"https://example.com\"}})"),
                format!("{text}\n{margin}x := no.such_function(1)"),
                format!("{text}\n{margin}x := \"an open text"),
                format!("{text}\n{margin}import data.nothing as"),
            ];
            for broken in draw.some(broken.to_vec(), 3) {
                self.replace(Kind::BrokenPolicy, at, &broken);
            }
        }
    }

    fn raw(&mut self, kind: Kind, line: usize, bytes: Vec<u8>) {
        let written = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(60)..]).into_owned();
        let line = u32::try_from(line + 1).unwrap();
        let (key, section) = (String::new(), String::new());
        self.done.push(Mutant { kind, bytes, line, key, section, origin: self.origin.to_owned(), written });
    }
}

/// Where operators choose the names.
fn free(above: &[&str]) -> bool {
    let parent = above.last().copied().unwrap_or_default();
    matches!(parent, "claims" | "claimsMapping" | "tls" | "features")
}

/// `key` with one letter wrong.
fn misspelt(key: &str, draw: &mut Draw) -> String {
    let mut letters: Vec<char> = key.chars().collect();
    let at = draw.below(letters.len());
    match draw.below(4) {
        0 if letters.len() > 1 => drop(letters.remove(at)),
        1 if letters.len() > 1 && letters[at] != letters[(at + 1) % letters.len()] => {
            let next = (at + 1) % letters.len();
            letters.swap(at, next);
        }
        2 => {
            letters[at] = if letters[at].is_uppercase() {
                letters[at].to_ascii_lowercase()
            } else {
                letters[at].to_ascii_uppercase()
            }
        }
        _ => letters.insert(at, 'x'),
    }
    let typo: String = letters.into_iter().collect();
    if typo == key { format!("{key}x") } else { typo }
}

/// The lines with keys, and a line in the middle of each policy.
fn read<'a>(lines: &[&'a str]) -> (Vec<Line<'a>>, Vec<usize>) {
    let (mut keys, mut policies): (Vec<Line<'a>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut stack: Vec<(usize, &'a str)> = Vec::new();
    let mut block: Option<(usize, bool)> = None;
    for (number, text) in lines.iter().copied().enumerate() {
        let trimmed = text.trim_start();
        let indent = text.len() - trimmed.len();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if let Some((of, policy)) = block {
            if indent > of {
                if policy && trimmed.starts_with("default result") {
                    policies.push(number);
                }
                continue;
            }
            block = None;
        }
        let dashes = trimmed.len() - trimmed.trim_start_matches("- ").len();
        let rest = &trimmed[dashes..];
        let Some((key, value)) = rest.split_once(':') else { continue };
        if !key.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
            || value.starts_with("//")
        {
            continue;
        }
        let column = indent + dashes;
        stack.retain(|(at, _)| *at < column);
        let value = value.trim();
        let above = stack.iter().map(|(_, key)| *key).collect();
        keys.push(Line { number, text, indent, lead: &text[..column], key, value, above });
        if value == "|" {
            block = Some((indent, key == "rego"));
        }
        stack.push((column, key));
    }
    (keys, policies)
}
