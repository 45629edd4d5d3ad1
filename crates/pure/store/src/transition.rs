//! What a conditional write decided.

/// The answer of one atomic conditional write: whoever reads [`Transition::Won`] is the only one who does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "only the winner may go on"]
pub enum Transition {
    /// The condition held and the write is durable.
    Won,
    /// Another writer was first, or what the write needs is absent, expired or revoked. Nothing was changed.
    Lost,
}

impl Transition {
    /// Reads the number of rows that a conditional statement for one row has changed.
    pub const fn from_rows(changed: u64) -> Self {
        if changed == 1 { Self::Won } else { Self::Lost }
    }

    /// Whether this caller may go on.
    pub const fn is_won(self) -> bool {
        matches!(self, Self::Won)
    }
}
