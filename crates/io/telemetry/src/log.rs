//! Log lines for operators: JSON on standard error, one object a line.
//!
//! The message of a line is a constant; what varies stands in fields. See docs/LOGGING.md.

mod counted;

use std::io;

use gatehouse_audit::tally::Handful;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

pub use self::counted::CountedLines;

/// A level that is none, or a filter that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// See the text.
    #[error(
        "log filter `{filter}`: {error}; expected off, error, warn, info, debug, trace, or a list such as \
         `info,gatehouse_edge=debug`"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What the parser said.
        error: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines of the whole process to standard error.
///
/// A bare level holds for our own code; libraries then speak from `warn` up only, because nobody promises that their
/// debug output is free of credentials. A list of directives is taken as it stands.
///
/// Of lines that strangers cause all but a handful a second are only counted; what is returned tells of them.
pub fn init(filter: &str, handful: Handful) -> Result<CountedLines, LogError> {
    let counted = CountedLines::new(handful);
    let subscriber = subscriber(filter, io::stderr)?.with(counted.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(counted)
}

/// Writes log lines that pass `filter` to `writer`.
pub(crate) fn subscriber<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let directives = match filter.trim() {
        "off" => "off".to_owned(),
        "error" => "error".to_owned(),
        level @ ("warn" | "info" | "debug" | "trace") => format!("warn,gatehouse={level}"),
        list => list.to_owned(),
    };
    let parsed = EnvFilter::builder().parse(&directives);
    let parsed =
        parsed.map_err(|error| LogError::Filter { filter: filter.to_owned(), error: error.to_string() })?;
    Ok(tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(parsed)
        .with_writer(writer)
        .finish())
}

#[cfg(test)]
mod tests;
