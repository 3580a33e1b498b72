//! What can be wrong with a request that comes with a key, on either surface.

/// Why a request with a key does not get its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptRefusal {
    /// The key is none.
    InvalidKey,
    /// The key belongs to another request of the same account.
    Reused,
    /// The same request is running.
    Running,
}
