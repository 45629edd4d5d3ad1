//! Secrets in, hashes out: `hash-password`, `hash-key`, `new-key`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key::{self, KeyHash};

use super::output::{Failure, line};
use crate::host::SystemRng;

/// Longest secret that is read, in bytes.
const LIMIT: u64 = 4096;

/// Shortest password of a user, in characters: the floor of NIST SP 800-63B §5.1.1.1.
const SHORTEST_PASSWORD: usize = 8;

pub(super) fn hash_password() -> Result<(), Failure> {
    let password = read_secret("password")?;
    let length = password.expose().chars().count();
    if length < SHORTEST_PASSWORD {
        return Err(Failure::Failed(format!(
            "expected a password of at least {SHORTEST_PASSWORD} characters (12 or more are better), found {length}"
        )));
    }
    line(password_hash(&password)?)
}

pub(super) fn hash_key() -> Result<(), Failure> {
    line(KeyHash::of(read_secret("key")?.expose()))
}

pub(super) fn new_key() -> Result<(), Failure> {
    let key = static_key::generate(&SystemRng);
    line(format!("key:  {}", key.expose()))?;
    line(format!("hash: {}", KeyHash::of(key.expose())))
}

/// The Argon2id PHC string of `password`, with the parameters that OWASP recommends (19 MiB, 2 passes).
pub(crate) fn password_hash(password: &Secret) -> Result<String, Failure> {
    let hash = Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map_err(|error| Failure::new("hashing the password", error))?;
    Ok(hash.to_string())
}

/// One secret from standard input, without its line end. A person is asked for it and does not see it.
fn read_secret(what: &str) -> Result<Secret, Failure> {
    let read = if io::stdin().is_terminal() { ask(what) } else { read_all() };
    let text =
        read.map_err(|error| Failure::new(&format!("reading the {what} from standard input"), error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::Failed(format!("expected a {what} on standard input, found nothing")));
    }
    Ok(Secret::new(secret.to_owned()))
}

fn read_all() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// Asks on the terminal, whose echo is off meanwhile.
fn ask(what: &str) -> io::Result<String> {
    let (mut stdin, mut stderr) = (io::stdin().lock(), io::stderr().lock());
    let shown = tcgetattr(&stdin)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    write!(stderr, "{what}: ")?;
    stderr.flush()?;
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let mut text = String::new();
    let read = stdin.by_ref().take(LIMIT).read_line(&mut text);
    tcsetattr(&stdin, OptionalActions::Flush, &shown)?;
    writeln!(stderr)?;
    read.map(|_| text)
}
